// SPDX-License-Identifier: BSD-3-Clause
/** doctor: what works on this machine, what is denied and by what, and what nbcontainer does about it. */
import { gatherHostFacts } from '../../host/gather.ts';
import type { IHostFacts } from '../../host/facts.ts';
import { findDriver } from '../../host/gpu.ts';
import { type ISurvey, surveyHost } from '../../host/survey.ts';
import type { IImageFacts } from '../../images/image.ts';
import { planRun } from '../../run/plan.ts';
import { DEFAULT_SPEC, type IRunSpec } from '../../run/spec.ts';
import { openStore } from '../../store/store.ts';
import { printable } from '../../support/errors.ts';
import { describeMachine, diagnose, diagnoseGpu, type IFinding } from '../diagnosis.ts';
import { formatTable, print } from '../output.ts';
import { explainCommand, readText } from './explain.ts';

interface IStart {
  readonly engine: string;
  readonly root: string;
  readonly reasons: readonly string[];
}

export interface IDoctorValues {
  readonly json?: boolean;
  readonly report?: boolean;
  /** A message to explain; `-` reads it from standard input. */
  readonly explain?: string;
}

/**
 * Prints a table, with `--json` the facts, with `--report` both without anything that names the user; with `--explain`
 * what is known of a message.
 *
 * @returns 1 when no container can be started here, or nothing is known of the message.
 */
export async function doctorCommand(values: IDoctorValues, version: string): Promise<number> {
  if (values.explain !== undefined) {
    const text = values.explain === '-' ? await readText(process.stdin) : values.explain;
    return explainCommand(text, values.json ?? false);
  }
  const environment = process.env;
  const [store, host] = await Promise.all([
    openStore(),
    findDriver(environment).then(gpu =>
      gatherHostFacts({ env: environment, cwd: process.cwd(), paths: [], gpu, fresh: true })
    )
  ]);
  const trees = store.treesReason === undefined ? {} : { trees: store.treesDirectory };
  const temporary = environment['TMPDIR'] ?? '/tmp';
  const places = { home: host.account.home, store: store.home, ...trees, 'temporary files': temporary };
  const survey = await surveyHost(places);
  const start = howToStart(host);
  const findings = diagnose(host, survey);
  if (values.json) {
    print(JSON.stringify({ version, start, findings, survey, host }, null, 2));
    return start.engine === 'none' ? 1 : 0;
  }
  print(`nbcontainer ${version} on ${host.platform} (${host.machine}, Linux ${host.kernel})`);
  describeMachine(host, survey).forEach(line => {
    print(line);
  });
  const how =
    start.engine === 'none'
      ? 'Containers cannot be started here'
      : `Containers start with the ${start.engine} engine, root ${start.root}`;
  print(`\n${how}`);
  start.reasons.forEach(reason => {
    print(`  ${reason}`);
  });
  printFindings(findings);
  print(`\nGPU: ${diagnoseGpu(host)}`);
  for (const note of host.gpu?.notes ?? []) {
    print(`     ${note}`);
  }
  if (!values.report) {
    survey.places.forEach(({ name, path }) => {
      print(`${name}: ${printable(path)}`);
    });
    if (store.treesReason !== undefined) {
      print(`     ${printable(store.treesReason)}`);
    }
  }
  const remedies = findings.filter(finding => finding.outcome !== 'works' && finding.remedy !== undefined);
  if (remedies.length > 0) {
    print('\nWhat could be changed, mostly by an administrator:');
    for (const { check, remedy } of remedies) {
      print(`  ${check}: ${remedy}`);
    }
  }
  if (values.report) {
    print('\nFor the report, as JSON:');
    print(JSON.stringify({ version, start, probes: host.probes, ...publicFacts(host), survey: publicSurvey(survey) }));
  }
  return start.engine === 'none' ? 1 : 0;
}

/** One table over all groups, so that the columns stand below each other. */
function printFindings(findings: readonly IFinding[]): void {
  const rows = findings.map(({ outcome, check, by, errno, consequence }) => [
    outcome === 'works' ? '  yes' : outcome === 'denied' ? '  NO' : '  -',
    check,
    [by, errno && `(${errno})`].filter(Boolean).join(' '),
    consequence
  ]);
  const lines = formatTable([['', 'what', 'denied by', 'what follows'], ...rows]).split('\n');
  print(`\n${lines[0]}`);
  findings.forEach(({ group }, index) => {
    if (group !== findings[index - 1]?.group) {
      print(group);
    }
    print(lines[index + 1] ?? '');
  });
}

/** Plans a start of an ordinary merged Debian image, the way most images are. */
function howToStart(host: IHostFacts): IStart {
  const spec: IRunSpec = { ...DEFAULT_SPEC, action: 'exec', command: ['true'], noHome: true, noMount: ['cwd'] };
  const plan = planRun(spec, host, ORDINARY_IMAGE, {});
  if (plan.kind === 'refusal') {
    return { engine: 'none', root: 'none', reasons: [`${plan.message}: ${plan.reason}. ${plan.fix}`] };
  }
  return { engine: plan.engine, root: plan.root, reasons: plan.notes.map(note => note.text) };
}

const directory = (name: string): { name: string; type: 'directory'; mode: number } => ({
  name,
  type: 'directory',
  mode: 0o755
});
const link = (name: string): { name: string; type: 'symlink'; mode: number; target: string } => ({
  name,
  type: 'symlink',
  mode: 0o777,
  target: `usr/${name}`
});

const ORDINARY_IMAGE: IImageFacts = {
  name: 'an ordinary image',
  path: '/nonexistent/ordinary.sif',
  key: 'ordinary',
  source: { kind: 'squashfs', file: '/nonexistent/ordinary.sif', offset: 4096, size: 4096, compression: 'zstd' },
  environmentScripts: [],
  tree: {
    '/': [
      ...['.singularity.d', 'dev', 'etc', 'home', 'opt', 'proc', 'root', 'run', 'sys', 'tmp', 'usr', 'var'].map(
        directory
      ),
      ...['bin', 'lib', 'lib64', 'sbin'].map(link)
    ]
  },
  trees: { plain: '/nonexistent/plain', merged: '/nonexistent/merged', 'read-only': '/nonexistent/read-only' }
};

/** Kinds of file systems and sizes, no paths. */
function publicSurvey(survey: ISurvey): Record<string, unknown> {
  return { ...survey, places: survey.places.map(place => ({ ...place, path: undefined })) };
}

/** What may leave the machine: no names, no paths of the user, no environment. */
function publicFacts(host: IHostFacts): Record<string, unknown> {
  return {
    platform: host.platform,
    machine: host.machine,
    kernel: host.kernel,
    uid: host.account.uid,
    capabilities: host.capabilities,
    memoryBytes: host.memoryBytes,
    tools: Object.keys(host.tools),
    root: host.root.map(node => `${node.name}${node.type === 'symlink' ? ` -> ${node.target ?? ''}` : ''}`),
    gpu: host.gpu && {
      driverVersion: host.gpu.driverVersion,
      libraries: host.gpu.libraries.length,
      directories: [...new Set(host.gpu.libraries.map(library => library.source.replace(/\/[^/]*$/, '')))],
      devices: host.gpu.devices,
      notes: host.gpu.notes
    }
  };
}

// SPDX-License-Identifier: BSD-3-Clause
/** doctor: what works on this machine, what is denied and by what, and what nbcontainer does about it. */
import { gatherHostFacts } from '../../host/gather.ts';
import type { IHostFacts } from '../../host/facts.ts';
import { findDriver } from '../../host/gpu.ts';
import type { IImageFacts } from '../../images/image.ts';
import { planRun } from '../../run/plan.ts';
import { DEFAULT_SPEC, type IRunSpec } from '../../run/spec.ts';
import { openStore } from '../../store/store.ts';
import { diagnose, diagnoseGpu } from '../diagnosis.ts';
import { formatBytes, formatTable, print } from '../output.ts';

interface IStart {
  readonly engine: string;
  readonly root: string;
  readonly reasons: readonly string[];
}

/** Prints a table, with `--json` the facts, with `--report` both without anything that names the user. */
export async function doctorCommand(
  values: { readonly json?: boolean; readonly report?: boolean },
  version: string
): Promise<number> {
  const environment = process.env;
  const host = await gatherHostFacts({
    env: environment,
    cwd: process.cwd(),
    paths: [],
    gpu: await findDriver(environment)
  });
  const start = howToStart(host);
  const findings = diagnose(host);
  if (values.json) {
    print(JSON.stringify({ version, start, findings, host }, null, 2));
    return 0;
  }
  const rows = findings.map(finding => [
    finding.outcome === 'works' ? 'yes' : finding.outcome === 'denied' ? 'NO' : '-',
    finding.check,
    finding.errno ?? '',
    finding.consequence
  ]);
  const store = await openStore();
  const free = await store.freeSpace();
  print(`nbcontainer ${version} on ${host.platform} (${host.machine}, Linux ${host.kernel}), uid ${host.account.uid}`);
  print('');
  print(formatTable(rows));
  print('');
  print(`GPU:   ${diagnoseGpu(host)}`);
  for (const note of host.gpu?.notes ?? []) {
    print(`       ${note}`);
  }
  print(`Store: ${values.report ? '(not shown)' : store.home}, ${formatBytes(free)} free`);
  print(`Start: ${start.engine === 'none' ? 'no way' : `engine ${start.engine}, root ${start.root}`}`);
  for (const reason of start.reasons) {
    print(`       ${reason}`);
  }
  const remedies = findings.filter(finding => finding.outcome !== 'works' && finding.remedy !== undefined);
  if (remedies.length > 0) {
    print('\nWhat an administrator could change:');
    for (const { check, remedy } of remedies) {
      print(`  ${check}: ${remedy}`);
    }
  }
  if (values.report) {
    print('\nFor the report, as JSON:');
    print(JSON.stringify({ version, start, probes: host.probes, ...publicFacts(host) }));
  }
  return start.engine === 'none' ? 1 : 0;
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

// SPDX-License-Identifier: BSD-3-Clause
/** What `doctor` says, computed from facts alone: a check, its outcome, who denies it, what follows, who could change it. */
import { deniedBy } from '../host/denial.ts';
import type { IHostFacts } from '../host/facts.ts';
import type { IPlace, ISurvey } from '../host/survey.ts';
import { squashfuse } from '../run/rootfs.ts';
import { CHECKS, type ICheck, type IContext, mountsImages } from './checks.ts';
import { formatBytes } from './output.ts';

export interface IFinding {
  readonly group: string;
  readonly check: string;
  readonly outcome: 'works' | 'denied' | 'absent';
  readonly errno?: string;
  /** Who or what denies it, in a few words. */
  readonly by?: string;
  /** What nbcontainer does about it. */
  readonly consequence: string;
  /** What an administrator could change, when something can be. */
  readonly remedy?: string;
}

/** Findings in the order of the tables; a probe that was not made counts as absent. */
export function diagnose(host: IHostFacts, survey: ISurvey): IFinding[] {
  const context: IContext = {
    host,
    survey,
    mounts: host.probes.tmpfs.ok && host.probes.bind.ok,
    root: host.account.uid === 0
  };
  return [
    ...CHECKS.map(check => finding(check, context)),
    ...programs(context),
    ...survey.places.flatMap(place => placeFindings(place))
  ];
}

function finding(check: ICheck, context: IContext): IFinding {
  const { host, survey } = context;
  const result: { ok: boolean; errno?: string } | undefined = host.probes[check.probe];
  const say = (text: ICheck['works']): string => (typeof text === 'string' ? text : text(context));
  const common = { group: check.group, check: check.check };
  if (result?.ok) {
    return { ...common, outcome: 'works', consequence: say(check.works) };
  }
  const by = result && deniedBy(check.probe, host, survey);
  const remedy = check.remedy?.(context);
  return {
    ...common,
    outcome: result === undefined ? 'absent' : 'denied',
    consequence: say(check.denied),
    ...(result?.errno !== undefined && { errno: result.errno }),
    ...(by !== undefined && { by }),
    ...(remedy !== undefined && { remedy })
  };
}

const PROGRAMS = 'programs of the machine';

/** Helpers that make a difference where something is denied. */
function programs({ host, survey, mounts, root }: IContext): IFinding[] {
  const proot = host.tools['proot'] !== undefined;
  const range = host.subordinate?.uid.count;
  const missing = (yes: boolean): IFinding['outcome'] => (yes ? 'works' : 'absent');
  return [
    {
      group: PROGRAMS,
      check: 'PRoot',
      outcome: missing(proot),
      consequence: proot
        ? mounts
          ? 'the ptrace engine is there, and not needed'
          : 'the ptrace engine starts containers without mounts'
        : mounts
          ? 'not needed: the namespaces engine works'
          : 'the ptrace engine cannot be used',
      ...(!proot && !mounts && { remedy: 'install the Debian package proot' })
    },
    ...servers(host, mounts),
    ...(root
      ? []
      : [
          {
            group: PROGRAMS,
            check: 'newuidmap with a range of ids',
            outcome: missing(range !== undefined),
            consequence:
              range === undefined
                ? '--fakeroot has one id, and pretends the others'
                : `--fakeroot has ${range} ids of its own`,
            // Setuid helpers are of no use to one who may gain no rights, nor without a namespace to map into.
            ...(range === undefined &&
              mounts &&
              !survey.noNewPrivileges && {
                remedy: 'install uidmap and give the account a range in /etc/subuid and /etc/subgid'
              })
          }
        ])
  ];
}

/** squashfuse_ll, where a SIF would be served by it. */
function servers(host: IHostFacts, mounts: boolean): IFinding[] {
  if (!mounts || mountsImages(host) || !host.probes['fuse-mount'].ok) {
    return [];
  }
  const common = { group: PROGRAMS, check: 'squashfuse_ll' };
  return [
    squashfuse(host) === undefined
      ? {
          ...common,
          outcome: 'absent',
          consequence: 'a SIF is unpacked once into the store',
          remedy: 'install squashfuse: a SIF starts at once then'
        }
      : {
          ...common,
          outcome: 'works',
          consequence: 'a SIF is served by FUSE; --unsquash unpacks it for all later starts'
        }
  ];
}

const PLACES = 'directories';

/** One line for each directory, and what is wrong with it. */
function placeFindings(place: IPlace): IFinding[] {
  const { name, fileSystem = 'unknown file system', freeBytes } = place;
  const common = { group: PLACES, check: `${name} (${fileSystem}, ${formatBytes(freeBytes)} free)` };
  if (place.readOnly) {
    const consequence = name === 'store' ? 'nothing can be pulled or unpacked' : 'nothing can be written there';
    const remedy = name === 'store' ? { remedy: 'set NBCONTAINER_HOME to a directory that can be written' } : {};
    return [{ ...common, outcome: 'denied', by: 'mounted read-only', consequence, ...remedy }];
  }
  if (place.noexec) {
    const holdsTrees = name === 'store' || name === 'trees';
    return [
      {
        ...common,
        outcome: 'denied',
        by: 'mounted noexec',
        consequence: holdsTrees
          ? 'programs of unpacked images cannot be executed'
          : 'programs that lie there cannot be executed, in a container neither',
        ...(holdsTrees && { remedy: 'set NBCONTAINER_HOME to a directory without noexec' })
      }
    ];
  }
  return [{ ...common, outcome: 'works', consequence: 'can be written, programs can be executed' }];
}

/** Lines on the machine as a whole, for people. */
export function describeMachine(host: IHostFacts, survey: ISurvey): string[] {
  const { account, capabilities } = host;
  const rights = [
    `uid ${account.uid}`,
    capabilities.length === 0
      ? 'no capabilities'
      : capabilities.length > 36
        ? 'all capabilities'
        : `${capabilities.length} ${capabilities.length === 1 ? 'capability' : 'capabilities'}${capabilities.includes('CAP_SYS_ADMIN') ? ' with SYS_ADMIN' : ', no SYS_ADMIN'}`,
    ...(survey.noNewPrivileges ? ['no_new_privs'] : []),
    ...(survey.seccomp === 'none' ? [] : ['seccomp filter']),
    ...(survey.label === undefined ? [] : [`label ${survey.label}`])
  ];
  const memory = `${formatBytes(host.memoryBytes)} of ${formatBytes(survey.memoryBytes)} memory available`;
  return [rights.join(', '), `${memory}, ${survey.cores} ${survey.cores === 1 ? 'processor' : 'processors'}`];
}

/** One paragraph on the graphics card. */
export function diagnoseGpu(host: IHostFacts): string {
  const gpu = host.gpu;
  if (gpu === undefined || (gpu.driverVersion === undefined && gpu.libraries.length === 0)) {
    return 'no NVIDIA driver found';
  }
  const directories = new Set(gpu.libraries.map(library => library.source.replace(/\/[^/]*$/, '')));
  const where = directories.size > 0 ? ` in ${[...directories].join(', ')}` : '';
  return `NVIDIA driver ${gpu.driverVersion ?? '(version unknown)'}, ${gpu.libraries.length} libraries${where}, ${
    gpu.devices.length
  } devices`;
}

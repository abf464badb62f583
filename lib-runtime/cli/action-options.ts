// SPDX-License-Identifier: BSD-3-Clause
/** The flags and variables of exec, run and shell, turned into a RunSpec by a pure function. */
import { isIP } from 'node:net';
import { DEFAULT_SPEC, type IRunSpec } from '../run/spec.ts';
import { parseBinds } from '../run/bind-syntax.ts';
import { type ILimitTexts, LIMITS, parseLimits } from '../run/limits.ts';
import { parseMounts } from '../run/mount-syntax.ts';
import { parseCapabilities } from '../run/privileges.ts';
import { parseSecurity } from '../run/security.ts';
import { splitCsv } from '../support/csv.ts';
import { ContainerError } from '../support/errors.ts';
import { isTrue, lookUp } from './flag-variables.ts';

/** What commander hands over: one property per flag. */
export interface IActionValues extends ILimitTexts {
  readonly bind?: readonly string[];
  readonly scratch?: readonly string[];
  readonly workdir?: string;
  readonly dns?: string;
  readonly net?: boolean;
  readonly userns?: boolean;
  readonly fakeroot?: boolean;
  readonly as?: string;
  readonly noPrivs?: boolean;
  readonly keepPrivs?: boolean;
  readonly addCaps?: string;
  readonly dropCaps?: string;
  readonly security?: readonly string[];
  readonly applyCgroups?: string;
  readonly unsquash?: boolean;
  readonly env?: readonly string[];
  readonly envFile?: readonly string[];
  readonly cleanenv?: boolean;
  /** The last one of --cwd and --pwd. */
  readonly pwd?: string;
  readonly home?: string;
  readonly noHome?: boolean;
  readonly mount?: readonly string[];
  readonly noMount?: readonly string[];
  readonly contain?: boolean;
  readonly containall?: boolean;
  readonly compat?: boolean;
  readonly pid?: boolean;
  readonly noPid?: boolean;
  readonly ipc?: boolean;
  readonly uts?: boolean;
  readonly noUmask?: boolean;
  readonly writable?: boolean;
  readonly writableTmpfs?: boolean;
  readonly app?: string;
  readonly overlay?: readonly string[];
  readonly nv?: boolean;
  readonly rocm?: boolean;
  readonly hostname?: string;
  readonly noEval?: boolean;
  readonly shell?: string;
  readonly engine?: string;
  readonly root?: string;
  readonly overlayDriver?: string;
}

/**
 * The RunSpec of a command line. Pure: reads only its arguments.
 *
 * @param environment the caller's variables: `APPTAINER_BIND` and friends stand in for flags (binds add up, a flag
 *   beats any other value); `APPTAINER_` wins over `SINGULARITY_`.
 * @param envFile variables of `--env-file`, already evaluated; `--env` beats them.
 * @throws ContainerError `usage` for a value that cannot be understood.
 */
export function runSpec(
  action: IRunSpec['action'],
  command: readonly string[],
  values: IActionValues,
  environment: Readonly<Record<string, string | undefined>>,
  envFile: Readonly<Record<string, string>> = {}
): IRunSpec {
  const text = (keys: readonly string[]): string | undefined => lookUp(environment, keys);
  const yes = (given: boolean | undefined, ...keys: string[]): boolean => given ?? isTrue(text(keys), keys[0] ?? '');
  const both = (given: readonly string[] | undefined, keys: readonly string[]): string[] => {
    const inherited = keys.map(key => text([key])).filter((value): value is string => Boolean(value));
    return [...inherited, ...(given ?? [])];
  };
  const list = (given: readonly string[] | undefined, ...keys: string[]): readonly string[] =>
    given ?? [text(keys)].filter(value => value !== undefined);
  // An empty value is that of a flag that was not given.
  const single = (given: string | undefined, ...keys: string[]): string | undefined =>
    (given ?? text(keys)) || undefined;
  const home = single(values.home, 'HOME');
  const cwd = single(values.pwd ?? text(['PWD', 'TARGET_PWD']), 'CWD');
  const shell = action === 'shell' ? single(values.shell, 'SHELL') : undefined;
  const hostname = single(values.hostname, 'HOSTNAME');
  const workdir = single(values.workdir, 'WORKDIR');
  const engine = oneOf('--engine', values.engine, ['namespaces', 'ptrace']);
  const root = oneOf('--root', values.root, ['pivot', 'in-place', 'chroot']);
  const overlayDriver = oneOf('--overlay-driver', values.overlayDriver, ['kernel', 'fuse', 'copy']);
  const as = oneOf('--as', values.as, ['user', 'root', 'fakeroot']);
  const fakeroot = as === undefined ? yes(values.fakeroot, 'FAKEROOT') : as === 'fakeroot';
  if (as !== undefined && !fakeroot && values.fakeroot) {
    throw usage(`--as ${as} and --fakeroot are different wishes`, 'Give one of them');
  }
  const app = single(values.app, 'APP', 'APPNAME');
  const security = parseSecurity(list(values.security, 'SECURITY'));
  const limits = parseLimits(limitTexts(values, key => text([key])));
  const compat = yes(values.compat, 'COMPAT');
  const containAll = compat || yes(values.containall, 'CONTAINALL');
  const noPid = yes(values.noPid, 'NO_PID');
  return {
    ...DEFAULT_SPEC,
    action,
    command,
    binds: [
      ...both(values.bind, ['BINDPATH', 'BIND']).flatMap(parseBinds),
      ...both(values.mount, ['MOUNT']).flatMap(parseMounts)
    ],
    scratch: list(values.scratch, 'SCRATCH', 'SCRATCHDIR').flatMap(parseScratch),
    overlays: list(values.overlay, 'OVERLAY', 'OVERLAYIMAGE').flatMap(parseOverlays),
    dns: parseAddresses(values.dns ?? text(['DNS'])),
    network: yes(values.net, 'NET', 'UNSHARE_NET'),
    userNamespace: yes(values.userns, 'USERNS', 'UNSHARE_USERNS'),
    fakeroot,
    noPrivileges: yes(values.noPrivs, 'NO_PRIVS'),
    keepPrivileges: yes(values.keepPrivs, 'KEEP_PRIVS'),
    addCapabilities: parseCapabilities(values.addCaps ?? text(['ADD_CAPS']) ?? ''),
    dropCapabilities: parseCapabilities(values.dropCaps ?? text(['DROP_CAPS']) ?? ''),
    ...(security !== undefined && { security }),
    ...(limits !== undefined && { limits }),
    unsquash: yes(values.unsquash, 'UNSQUASH'),
    environment: { ...envFile, ...parseVariables(values.env ?? []) },
    cleanEnvironment: containAll || yes(values.cleanenv, 'CLEANENV'),
    noHome: yes(values.noHome, 'NO_HOME'),
    noMount: list(values.noMount, 'NO_MOUNT').flatMap(names => names.split(',')),
    contain: containAll || yes(values.contain, 'CONTAIN'),
    pid: !noPid && (containAll || yes(values.pid, 'PID', 'UNSHARE_PID')),
    ipc: containAll || yes(values.ipc, 'IPC', 'UNSHARE_IPC'),
    uts: yes(values.uts, 'UTS', 'UNSHARE_UTS'),
    noUmask: compat || yes(values.noUmask, 'NO_UMASK'),
    writable: yes(values.writable, 'WRITABLE'),
    writableTmpfs: compat || yes(values.writableTmpfs, 'WRITABLE_TMPFS'),
    nv: yes(values.nv, 'NV'),
    rocm: yes(values.rocm, 'ROCM'),
    noEval: compat || yes(values.noEval, 'NO_EVAL'),
    ...(app !== undefined && { app: parseApp(app) }),
    ...(workdir !== undefined && { workdir }),
    ...(cwd !== undefined && { workingDirectory: cwd }),
    ...(home !== undefined && { home: parseHome(home) }),
    ...(shell !== undefined && { shell }),
    ...(hostname !== undefined && { hostname: checkHostname(hostname) }),
    ...(as !== undefined && { as }),
    ...(engine !== undefined && { engine }),
    ...(root !== undefined && { root }),
    ...(overlayDriver !== undefined && { overlayDriver })
  };
}

/** The limits' flags with the variables that stand in for them: `--cpu-shares` is APPTAINER_CPU_SHARES. */
function limitTexts(values: ILimitTexts, variable: (key: string) => string | undefined): ILimitTexts {
  const texts = LIMITS.map(name => {
    const key = name.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase();
    return [name, values[name] ?? variable(key)] as const;
  });
  return Object.fromEntries(texts.filter(([, text]) => text !== undefined));
}

function oneOf<T extends string>(flag: string, value: string | undefined, known: readonly T[]): T | undefined {
  if (value === undefined || value === 'auto') {
    return undefined;
  }
  const found = known.find(word => word === value);
  if (found === undefined) {
    throw usage(`${flag} does not know "${value}"`, `Use auto, ${known.join(' or ')}`);
  }
  return found;
}

function parseApp(name: string): string {
  if (!/^[^/\0]+$/.test(name) || name === '.' || name === '..') {
    throw new ContainerError({
      code: 'usage',
      step: 'application',
      message: `--app "${name}" is no name of an app`,
      fix: 'nbcontainer inspect --list-apps IMAGE lists them'
    });
  }
  return name;
}

function checkHostname(name: string): string {
  // hostname(7): letters, digits, dashes and dots; the kernel takes 64 characters.
  if (name.length > 64 || !name.split('.').every(label => /^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$/.test(label))) {
    throw usage(`--hostname "${name}" is not a valid hostname`, 'Use letters, digits, dashes and dots');
  }
  return name;
}

function parseScratch(text: string): string[] {
  return text
    .split(',')
    .filter(Boolean)
    .map(path => {
      if (!path.startsWith('/') || /^\/*$/.test(path)) {
        throw usage(`--scratch "${path}" is no absolute path inside the container`, 'Write --scratch /path');
      }
      return path;
    });
}

function parseOverlays(text: string): { path: string; readOnly: boolean }[] {
  return text
    .split(',')
    .filter(Boolean)
    .map(item => {
      const [path = '', option, ...rest] = item.split(':');
      if (path === '' || rest.length > 0 || (option !== undefined && option !== 'ro' && option !== 'rw')) {
        throw usage(`--overlay "${item}" is not understood`, 'Write --overlay /host/dir or --overlay /host/dir:ro');
      }
      return { path, readOnly: option === 'ro' };
    });
}

function parseAddresses(text: string | undefined): string[] {
  const addresses = (text ?? '').split(',').map(address => address.trim());
  return addresses.filter(Boolean).map(address => {
    if (isIP(address) === 0) {
      throw usage(`--dns "${address}" is no IP address`, 'Write --dns 192.0.2.1,192.0.2.2');
    }
    return address;
  });
}

function parseHome(text: string): { source: string; target: string } {
  const [source = '', target = source, ...rest] = text.split(':');
  if (rest.length > 0 || !source || !target.startsWith('/')) {
    throw usage(`--home "${text}" is not understood`, 'Write --home /host/dir or --home /host/dir:/container/dir');
  }
  return { source, target };
}

/**
 * `--env A=1,B=2`: pflag's StringToString, one CSV line per flag, so a pair with a comma is written in double quotes
 * (`--env '"A=1,2",B=3'`). With one equals sign in all it is one pair with its commas, less the quotes at both ends.
 */
export function parseVariables(items: readonly string[]): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const item of items) {
    for (const pair of splitPairs(item)) {
      const equals = pair.indexOf('=');
      if (equals < 0) {
        throw new ContainerError({
          code: 'usage',
          step: 'flag',
          message: `--env "${item}" must be formatted as key=value`,
          fix: 'Write --env NAME=value'
        });
      }
      variables[pair.slice(0, equals)] = pair.slice(equals + 1);
    }
  }
  return variables;
}

function splitPairs(item: string): string[] {
  return item.split('=').length > 2 ? splitCsv(item) : [item.replace(/^"+|"+$/g, '')];
}

function usage(message: string, fix: string): ContainerError {
  return new ContainerError({ code: 'usage', step: 'command line', message, fix });
}

// SPDX-License-Identifier: BSD-3-Clause
/**
 * Command lines that must fail under nbcontainer as they do under Apptainer 1.4.5: with the same exit status and a
 * message of the same kind. The wording is each program's own; Apptainer prints its usage on standard output.
 * @IMAGE@, @SCRATCH@ and the rest as in cases.ts; @NAME@ stands for any other image that workplace.ts makes.
 */
export interface IErrorCase {
  readonly name: string;
  readonly words: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** What the messages of both have in common. */
  readonly says: RegExp;
}

const exec = (...options: string[]): string[] => ['exec', ...options, '@IMAGE@', 'true'];

export const ERRORS: readonly IErrorCase[] = [
  // Images
  {
    name: 'no such image',
    words: ['exec', '/no/such/image.sif', 'true'],
    says: /\/no\/such\/image\.sif.*no such file/
  },
  {
    name: 'a text file for an image',
    words: ['exec', '@SCRATCH@/home/mark', 'true'],
    says: /home\/mark.*(not recognized|is no SIF)/
  },
  { name: 'half a header for an image', words: ['exec', '@CUT@', 'true'], says: /not recognized|middle of its header/ },
  {
    name: 'an image for arm64',
    words: ['exec', '@ARM64@', '/hello'],
    says: /the image's architecture \(arm64\) (could not|cannot) run on (the|this) host/
  },
  { name: 'test of no image', words: ['test', '/no/such/image.sif'], says: /image\.sif.*no such file/ },
  { name: 'run-help of no image', words: ['run-help', '/no/such/image.sif'], says: /image\.sif.*no such file/ },
  { name: 'inspect of no image', words: ['inspect', '/no/such/image.sif'], says: /image\.sif.*no such file/ },
  { name: 'inspect of a text file', words: ['inspect', '@SCRATCH@/home/mark'], says: /not recognized|is no SIF/ },
  {
    name: 'pull over a file',
    words: ['pull', '@SCRATCH@/home/mark', 'docker://example.invalid/image'],
    says: /already exists|exists already/
  },
  { name: 'pull from no layout', words: ['pull', 'oci:/no/such/layout'], says: /no such file|there is no \/no/ },
  { name: 'pull by an unknown transport', words: ['pull', 'x.sif', 'bogus://image'], says: /bogus/ },
  { name: 'a reference that is none', words: ['exec', 'docker://', 'true'], says: /reference/ },
  // Commands
  {
    name: 'no such command',
    words: ['exec', '@IMAGE@', 'no-such-command'],
    says: /"no-such-command": exec\w* file not/
  },
  { name: 'no such file', words: ['exec', '@IMAGE@', '/no/such/file'], says: /\/no\/such\/file: no such file/ },
  { name: 'not executable', words: ['exec', '@IMAGE@', '/etc/os-release'], says: /permission denied/ },
  { name: 'a directory for a command', words: ['exec', '@IMAGE@', '/usr'], says: /is a directory|permission denied/ },
  { name: 'an empty command', words: ['exec', '@IMAGE@', ''], says: /"": executable file not found in \$PATH/ },
  { name: 'a shell that is not there', words: ['shell', '@HELLO@'], says: /\/bin\/sh does not exist in container/ },
  // Words
  { name: 'an unknown command', words: ['bogus'], says: /unknown command ["']bogus/ },
  { name: 'an unknown flag', words: exec('--no-such-flag'), says: /unknown (flag|option).*--no-such-flag/ },
  { name: 'an unknown flag before the command', words: ['--bogus'], says: /unknown (flag|option).*--bogus/ },
  { name: "a flag of another action's", words: exec('--shell', '/bin/sh'), says: /unknown (flag|option).*--shell/ },
  { name: 'a flag without its value', words: ['exec', '--pwd'], says: /needs an argument|argument missing/ },
  { name: 'exec without anything', words: ['exec'], says: /requires at least 2|missing required argument/ },
  { name: 'exec without a command', words: ['exec', '@IMAGE@'], says: /requires at least 2|missing required argument/ },
  { name: 'pull without anything', words: ['pull'], says: /accepts between|missing required argument/ },
  { name: 'inspect without anything', words: ['inspect'], says: /accepts 1 arg|missing required argument/ },
  { name: '--security with a name', words: exec('--security', 'uid:abc'), says: /failed to parse/ },
  { name: 'limits in no file', words: exec('--apply-cgroups', '/no/such'), says: /no such file/ },
  {
    name: 'a variable that is neither true nor false',
    words: exec(),
    environment: { APPTAINER_NV: 'maybe' },
    says: /"?maybe"?/
  },
  // Values
  { name: '--bind of nothing', words: exec('-B', '/no/such:/x'), says: /\/no\/such/ },
  { name: 'BIND of nothing', words: exec(), environment: { APPTAINER_BIND: '/no/such:/x' }, says: /\/no\/such/ },
  { name: '--bind with four parts', words: exec('-B', '/a:/b:ro:d'), says: /bad bind syntax|not understood/ },
  { name: '--bind with an unknown option', words: exec('-B', '/tmp:/x:zz'), says: /zz"? is (not a valid|no).*option/ },
  { name: '--bind to a relative path', words: exec('-B', '/tmp:x'), says: /absolute/ },
  {
    name: '--bind of a directory on a file',
    words: exec('-B', '@SCRATCH@/home:/etc/passwd'),
    says: /no(t a)? directory/
  },
  { name: '--bind of a file on a directory', words: exec('-B', '@SCRATCH@/home/mark:/usr'), says: /directory/ },
  { name: '--mount without a destination', words: exec('--mount', 'type=bind,source=/tmp'), says: /destination/ },
  { name: '--mount with an unknown key', words: exec('--mount', 'foo=1,source=/a,dst=/b'), says: /"foo"/ },
  { name: '--mount of another type', words: exec('--mount', 'type=tmpfs,destination=/x'), says: /"tmpfs"/ },
  { name: '--env without a value', words: exec('--env', 'novalue'), says: /novalue.*must be formatted as key=value/ },
  {
    name: '--env-file that is not there',
    words: exec('--env-file', '/no/such'),
    says: /environment file "?\/no\/such/
  },
  { name: '--pwd that is not there', words: exec('--pwd', '/no/such'), says: /chdir \/no\/such/ },
  { name: '--home with three parts', words: exec('--home', 'a:b:c'), says: /incorrect number|not understood/ },
  { name: '--home with a relative path', words: exec('--home', 'rel'), says: /absolute|not understood/ },
  { name: '--scratch with a relative path', words: exec('--scratch', 'rel'), says: /absolute/ },
  { name: '--workdir that is not there', words: exec('--contain', '-W', '/no/such'), says: /\/no\/such/ },
  {
    name: '--dns with a name',
    words: exec('--dns', 'example.org'),
    says: /example\.org"? is (no|not a valid) IP address/
  },
  {
    name: '--hostname that is none',
    words: exec('--hostname', 'bad host'),
    says: /bad host"? is not a valid hostname/
  },
  { name: '--overlay of nothing', words: exec('--overlay', '/no/such'), says: /\/no\/such/ },
  { name: '--overlay of a text file', words: exec('--overlay', '@SCRATCH@/home/mark'), says: /home\/mark/ },
  { name: 'two overlays to write', words: exec('-o', '@SCRATCH@/changes', '-o', '@SCRATCH@/second'), says: /overlay/ },
  { name: '--writable on a SIF', words: exec('--writable'), says: /no SIF writable overlay partition/ },
  {
    name: '--writable with --overlay',
    words: ['exec', '-w', '-o', '@SCRATCH@/changes', '@SCRATCH@/second', 'true'],
    says: /cannot use --overlay in conjunction with --writable/
  },
  {
    name: '--security with a file that is not there',
    words: exec('--security', 'seccomp:/no/such'),
    says: /no such|security/
  },
  { name: '--fusemount that is none', words: exec('--fusemount', 'bogus'), says: /fusemount|fuse mount/ },
  { name: '--memory that is no size', words: exec('--memory', 'bogus'), says: /invalid memory value/ },
  { name: '--cpus that is no number', words: exec('--cpus', 'bogus'), says: /invalid cpus value/ },
  { name: '--pids-limit that is no number', words: exec('--pids-limit', 'x'), says: /pids-limit/ },
  {
    name: '--apply-cgroups of nothing',
    words: exec('--apply-cgroups', '/no/such'),
    says: /no such file|apply-cgroups/
  },
  {
    name: '--app that is not there',
    words: exec('--app', 'foo'),
    says: /Could not locate the container application: foo/
  },
  {
    name: 'run --app that is not there',
    words: ['run', '--app', 'foo', '@IMAGE@'],
    says: /container application: foo/
  },
  { name: 'exec in no instance', words: ['exec', 'instance://none', 'true'], says: /no instance found with name none/ },
  { name: 'shell in no instance', words: ['shell', 'instance://none'], says: /no instance found with name none/ },
  { name: 'stop of no instance', words: ['instance', 'stop', 'none'], says: /no instance found/ },
  { name: 'stop of nothing', words: ['instance', 'stop'], says: /invalid command/ },
  { name: 'stats of no instance', words: ['instance', 'stats', 'none'], says: /no instance found/ },
  { name: 'instance without a name', words: ['instance', 'start', '@IMAGE@'], says: /at least 2|missing required/ },
  { name: 'instance of nothing', words: ['instance', 'start', '/no/such', 'one'], says: /\/no\/such.*no such file/ },
  {
    name: 'instance with a bad name',
    words: ['instance', 'start', '-u', '@IMAGE@', 'a b'],
    says: /not a valid instance name/
  },
  { name: 'overlay create of a small one', words: ['overlay', 'create', '--size', '10', '/tmp/o'], says: /64 MiB/ },
  {
    name: 'overlay create without a number',
    words: ['overlay', 'create', '-s', 'x', '/tmp/o'],
    says: /invalid argument "x"/
  },
  { name: 'overlay create in no directory', words: ['overlay', 'create', '/no/such/o'], says: /\/no\/such/ },
  {
    name: 'an overlay to write with --writable-tmpfs',
    words: exec('-o', '@SCRATCH@/changes', '--writable-tmpfs'),
    says: /--writable-tmpfs/
  }
];

// SPDX-License-Identifier: BSD-3-Clause
/** The flags of exec, run and shell as a table (reference: apptainer 1.4.5 `cmd/internal/cli/action_flags.go`). */
import type { IRunSpec } from '../run/spec.ts';

interface IFlag {
  /** Commander's notation: `-B, --bind <spec>`. */
  readonly flags: string;
  readonly help: string;
  /** May be given more than once; the values add up. */
  readonly many?: boolean;
  /** Commander's property, where it is that of another flag. */
  readonly attribute?: string;
  /** `APPTAINER_<KEY>` and `SINGULARITY_<KEY>` stand in for the flag, in this order. */
  readonly keys: readonly string[];
  readonly only?: readonly IRunSpec['action'][];
}

/** The action flags that are honoured today, in the order of `--help`. */
export const ACTION_FLAGS: readonly IFlag[] = [
  {
    flags: '-B, --bind <src[:dst[:opts]]>',
    help: 'bind a host path into the container (opts: ro or rw)',
    many: true,
    keys: ['BIND', 'BINDPATH']
  },
  {
    flags: '--mount <spec>',
    help: 'the same as type=bind,source=<src>,destination=<dst>[,ro]',
    many: true,
    keys: ['MOUNT']
  },
  {
    flags: '-S, --scratch <path>',
    help: 'an empty directory at this path, gone at the end (or kept in --workdir)',
    many: true,
    keys: ['SCRATCH', 'SCRATCHDIR']
  },
  {
    flags: '-W, --workdir <dir>',
    help: 'host directory for /tmp, /var/tmp and home of --contain, and for --scratch',
    keys: ['WORKDIR']
  },
  { flags: '--env <name=value>', help: 'set a variable in the container', many: true, keys: [] },
  { flags: '--env-file <file>', help: 'read variables from a file', many: true, keys: ['ENV_FILE'] },
  { flags: '-e, --cleanenv', help: 'do not pass the environment of the host', keys: ['CLEANENV'] },
  {
    flags: '--cwd <dir>',
    help: 'working directory in the container (--pwd is the same)',
    attribute: 'pwd',
    keys: ['CWD']
  },
  { flags: '--pwd <dir>', help: 'the older name of --cwd', keys: ['PWD', 'TARGET_PWD'] },
  { flags: '-H, --home <src[:dst]>', help: 'another home directory', keys: ['HOME'] },
  { flags: '--no-home', help: 'do not mount the home directory', keys: ['NO_HOME'] },
  {
    flags: '--no-mount <names>',
    help: 'leave out mounts: proc, sys, dev, tmp, home, cwd, bind-paths or /a/path',
    many: true,
    keys: ['NO_MOUNT']
  },
  { flags: '-c, --contain', help: 'minimal /dev, empty home and /tmp', keys: ['CONTAIN'] },
  {
    flags: '-C, --containall',
    help: 'as --contain, with namespaces for process ids and IPC, and no environment of the host',
    keys: ['CONTAINALL']
  },
  {
    flags: '--compat',
    help: 'as Docker would: --containall --writable-tmpfs --no-init --no-umask --no-eval',
    keys: ['COMPAT']
  },
  { flags: '-u, --userns', help: 'a user namespace also where root needs none', keys: ['USERNS', 'UNSHARE_USERNS'] },
  { flags: '-f, --fakeroot', help: 'be root inside, by a user namespace', keys: ['FAKEROOT'] },
  { flags: '-p, --pid', help: 'a namespace for process ids', keys: ['PID', 'UNSHARE_PID'] },
  { flags: '--no-pid', help: 'none, also with --containall', keys: ['NO_PID'] },
  { flags: '-i, --ipc', help: 'a namespace for shared memory and message queues', keys: ['IPC', 'UNSHARE_IPC'] },
  { flags: '--uts', help: 'a namespace for the host name', keys: ['UTS', 'UNSHARE_UTS'] },
  { flags: '--no-umask', help: 'umask 0022 instead of the one of the caller', keys: ['NO_UMASK'] },
  { flags: '--no-init', help: 'no init process beside the command with --pid', keys: ['NO_INIT', 'NOSHIMINIT'] },
  { flags: '-w, --writable', help: 'changes go into the image itself, which is a directory', keys: ['WRITABLE'] },
  { flags: '--writable-tmpfs', help: 'writes go to memory and are lost at the end', keys: ['WRITABLE_TMPFS'] },
  {
    flags: '-o, --overlay <path[:ro]>',
    help: 'a directory or ext3 image that lies over the image and gets the changes; a squashfs or SIF to read',
    many: true,
    keys: ['OVERLAY', 'OVERLAYIMAGE']
  },
  { flags: '--app <name>', help: 'a SCIF app of the image', keys: ['APP', 'APPNAME'] },
  { flags: '--nv', help: "bring the host's NVIDIA driver along", keys: ['NV'] },
  { flags: '--rocm', help: "bring the host's ROCm (AMD) along", keys: ['ROCM'] },
  {
    flags: '--device <vendor/class=name>',
    help: 'a device that a CDI file describes (/etc/cdi, /var/run/cdi)',
    many: true,
    keys: ['DEVICE']
  },
  { flags: '--cdi-dirs <dirs>', help: 'other directories with CDI files', many: true, keys: ['CDI_DIRS'] },
  { flags: '--hostname <name>', help: 'host name in the container', keys: ['HOSTNAME'] },
  { flags: '--dns <addresses>', help: 'name servers instead of those of the host', keys: ['DNS'] },
  { flags: '-n, --net', help: 'accepted; the network of the host is always shared', keys: ['NET', 'UNSHARE_NET'] },
  { flags: '--no-privs', help: 'no capabilities, also for root', keys: ['NO_PRIVS'] },
  { flags: '--keep-privs', help: 'for root: setuid programs of the image work', keys: ['KEEP_PRIVS'] },
  { flags: '--add-caps <names>', help: 'capabilities to keep with --no-privs', keys: ['ADD_CAPS'] },
  { flags: '--drop-caps <names>', help: 'capabilities to give up (all for every one)', keys: ['DROP_CAPS'] },
  {
    flags: '--security <name:value>',
    help: 'for root: uid:1000, gid:100, the numbers that the command runs as',
    many: true,
    keys: ['SECURITY']
  },
  { flags: '--memory <size>', help: 'most memory (512M, 2g)', keys: ['MEMORY'] },
  { flags: '--memory-swap <size>', help: 'most memory and swap together, -1 for no limit', keys: ['MEMORY_SWAP'] },
  { flags: '--memory-reservation <size>', help: 'memory that is left to it', keys: ['MEMORY_RESERVATION'] },
  { flags: '--cpus <number>', help: 'most processors (1.5)', keys: ['CPUS'] },
  { flags: '--cpu-shares <number>', help: 'weight beside others, 1024 is the usual one', keys: ['CPU_SHARES'] },
  { flags: '--cpuset-cpus <list>', help: 'processors to use (0-3,5)', keys: ['CPUSET_CPUS'] },
  { flags: '--cpuset-mems <list>', help: 'memory nodes to use', keys: ['CPUSET_MEMS'] },
  { flags: '--pids-limit <number>', help: 'most processes, -1 for no limit', keys: ['PIDS_LIMIT'] },
  { flags: '--apply-cgroups <file>', help: 'limits from a TOML file (cpu, memory, pids)', keys: ['APPLY_CGROUPS'] },
  { flags: '--unsquash', help: 'unpack the image also where it could be mounted', keys: ['UNSQUASH'] },
  { flags: '--underlay', help: 'accepted; it is what is done anyway', keys: ['UNDERLAY'] },
  {
    flags: '--disable-cache',
    help: 'accepted; a pulled image is kept (see `nbcontainer rm`)',
    keys: ['DISABLE_CACHE']
  },
  { flags: '--authfile <file>', help: 'credentials in the format of docker-config.json', keys: ['AUTHFILE'] },
  { flags: '--docker-login', help: 'ask for user and password of the registry', keys: ['DOCKER_LOGIN'] },
  { flags: '--no-eval', help: 'do not evaluate variables as a shell would', keys: ['NO_EVAL'] },
  {
    flags: '--runscript-timeout <time>',
    help: 'accepted; a runscript has all the time that it wants',
    keys: ['RUNSCRIPT_TIMEOUT'],
    only: ['run']
  },
  { flags: '-s, --shell <path>', help: 'shell to start', keys: ['SHELL'], only: ['shell'] }
];

// SPDX-License-Identifier: BSD-3-Clause
/**
 * Command lines that must do the same under nbcontainer and under Apptainer 1.4.5: same output, same status. The words
 * follow `exec` (or `run`, `shell`); @IMAGE@ stands for the SIF, @SCRATCH@ for a folder that both may write.
 */
export interface ICase {
  readonly name: string;
  readonly words: readonly string[];
  readonly image?: 'debian' | 'busybox' | 'app' | 'hello-world';
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly cwd?: string;
  /** Also compared with the recorded result in `npm test`; the output must not depend on the machine. */
  readonly fast?: true;
  /** Not Apptainer's output on purpose (docs/compatibility.md): what ours is. */
  readonly ours?: { readonly stdout: string; readonly status: number };
}

const sh = (script: string, ...options: string[]): string[] => ['exec', ...options, '@IMAGE@', 'sh', '-c', script];
/** Variables that depend on neither program's name. */
const VARIABLES = 'env | grep -E "^(FLAVOUR|FROM_|ASKED|PATH|HOME|LANG|LD_LIBRARY_PATH|TERM|SINGULARITY_NAME)" | sort';

export const CASES: readonly ICase[] = [
  // Status
  { name: 'true', fast: true, words: ['exec', '@IMAGE@', 'true'] },
  { name: 'false', fast: true, words: ['exec', '@IMAGE@', 'false'] },
  { name: 'status 42', fast: true, words: sh('exit 42') },
  { name: 'SIGTERM', fast: true, words: sh('kill -TERM $$') },
  { name: 'SIGKILL', fast: true, words: sh('kill -KILL $$') },
  { name: 'SIGSEGV', fast: true, words: sh('kill -SEGV $$') },
  // Streams
  { name: 'stdin', fast: true, words: ['exec', '@IMAGE@', 'cat'], input: 'one\ntwo\n' },
  {
    name: 'words as they are',
    fast: true,
    words: ['exec', '@IMAGE@', 'printf', '%s|', 'a b', '$HOME', "it's", '', '*', '\\']
  },
  // Ids of root's choice
  { name: '--security uid', words: sh('id -u; id -g', '--security', 'uid:1000') },
  { name: '--security uid and gid', words: sh('id -u; id -g', '--security', 'uid:1000,gid:100') },
  // Environment
  { name: 'environment of the host', words: sh(VARIABLES), environment: { FROM_HOST: 'a  "b" $c', LANG: 'C.UTF-8' } },
  {
    name: 'image beats host',
    words: sh(VARIABLES),
    image: 'busybox',
    environment: { FLAVOUR: 'host' },
    // 1.4.5 escapes twice when it builds; ours writes what 1.5 writes.
    ours: {
      stdout: [
        'FLAVOUR=busy box "quoted" $HOME',
        'HOME=/root',
        'LANG=C.UTF-8',
        'LD_LIBRARY_PATH=/.singularity.d/libs',
        'PATH=/usr/local/bin:/bin:/usr/bin:/sbin:/usr/local/sbin:/usr/sbin',
        'SINGULARITY_NAME=ours-busybox.sif',
        ''
      ].join('\n'),
      status: 0
    }
  },
  {
    name: '--cleanenv',
    fast: true,
    words: sh(VARIABLES, '--cleanenv'),
    environment: { FROM_HOST: 'gone', TERM: 'dumb' }
  },
  { name: '--env beats image', words: sh(VARIABLES, '--env', 'FLAVOUR=asked'), image: 'busybox' },
  { name: '--env twice', fast: true, words: sh(VARIABLES, '--env', 'ASKED_A=1', '--env', 'ASKED_B=x y') },
  { name: '--env with a list', fast: true, words: sh(VARIABLES, '--env', 'ASKED_A=1,ASKED_B=2') },
  {
    name: '--env with --cleanenv',
    words: sh(VARIABLES, '--cleanenv', '--env', 'ASKED=1'),
    environment: { FROM_HOST: '1' }
  },
  { name: '--env is evaluated', fast: true, words: sh(VARIABLES, '--env', 'ASKED=$HOME/x') },
  { name: '--env with --no-eval', fast: true, words: sh(VARIABLES, '--no-eval', '--env', 'ASKED=$HOME/x') },
  {
    name: 'APPTAINERENV_',
    words: sh(VARIABLES),
    environment: { APPTAINERENV_ASKED: 'prefix', SINGULARITYENV_FROM_OLD: 'older' }
  },
  {
    name: 'PREPEND_PATH',
    fast: true,
    words: sh(VARIABLES),
    environment: { APPTAINERENV_PREPEND_PATH: '/first', APPTAINERENV_APPEND_PATH: '/last' }
  },
  {
    name: 'PATH of the host stays out',
    fast: true,
    words: sh(VARIABLES),
    image: 'app',
    environment: { PATH: '/host/bin:/usr/bin:/bin:/usr/sbin' }
  },
  {
    name: 'LD_LIBRARY_PATH of the host stays out',
    words: sh(VARIABLES),
    environment: { LD_LIBRARY_PATH: '/host/lib' }
  },
  { name: 'HOME cannot be overridden', fast: true, words: sh('echo $HOME', '--env', 'HOME=/elsewhere') },
  { name: 'newlines in values', fast: true, words: sh('echo "$FROM_HOST"'), environment: { FROM_HOST: 'two\nlines' } },
  // Directories and mounts
  { name: 'cwd', fast: true, words: ['exec', '@IMAGE@', 'pwd'], cwd: '@SCRATCH@' },
  { name: 'cwd below /usr', words: ['exec', '@IMAGE@', 'pwd'], cwd: '/usr/share' },
  { name: 'cwd that the image lacks', words: ['exec', '@IMAGE@', 'pwd'], cwd: '/usr/share/zoneinfo' },
  { name: '--pwd', fast: true, words: ['exec', '--pwd', '/var/tmp', '@IMAGE@', 'pwd'] },
  { name: '--home', fast: true, words: sh('echo $HOME; cat $HOME/mark', '--home', '@SCRATCH@/home:/elsewhere') },
  { name: '--no-home', words: sh('echo $HOME; ls -A $HOME', '--no-home') },
  { name: '--bind', fast: true, words: sh('cat /inside/mark', '--bind', '@SCRATCH@/home:/inside') },
  { name: '--bind read-only', fast: true, words: sh('echo x > /inside/mark', '--bind', '@SCRATCH@/home:/inside:ro') },
  {
    name: '--bind of a file',
    fast: true,
    words: sh('cat /etc/os-release', '--bind', '@SCRATCH@/home/mark:/etc/os-release')
  },
  {
    name: '--mount',
    fast: true,
    words: sh('cat /inside/mark', '--mount', 'type=bind,source=@SCRATCH@/home,destination=/inside')
  },
  {
    name: '--mount ro',
    fast: true,
    words: sh('echo x > /inside/mark', '--mount', 'src=@SCRATCH@/home,dst=/inside,ro')
  },
  { name: '--mount rw', words: ['exec', '--mount', 'src=@SCRATCH@/home,dst=/inside,rw', '@IMAGE@', 'true'] },
  { name: '--scratch', words: sh('stat -c %A:%u /scr; touch /scr/a; ls -A /scr', '--scratch', '/scr') },
  { name: '--scratch list', fast: true, words: sh('touch /s1/a; ls -A /s1 /s2', '-S', '/s1,/s2') },
  {
    name: '--scratch in --workdir',
    words: sh('touch /scr/a; ls -AR @SCRATCH@/work', '--scratch', '/scr', '--workdir', '@SCRATCH@/work'),
    cwd: '@SCRATCH@'
  },
  {
    name: '--contain --workdir',
    words: sh('touch /tmp/a /var/tmp/b ~/c; ls -A /tmp /var/tmp ~; pwd', '--contain', '--workdir', '@SCRATCH@/work')
  },
  { name: '--dns', fast: true, words: sh('cat /etc/resolv.conf', '--dns', '192.0.2.1,192.0.2.2') },
  { name: '--underlay', words: ['exec', '--underlay', '@IMAGE@', 'true'] },
  { name: '--disable-cache', words: ['exec', '--disable-cache', '@IMAGE@', 'true'] },
  { name: '--bind list', fast: true, words: sh('ls /a /b', '--bind', '@SCRATCH@/home:/a,@SCRATCH@/home:/b') },
  { name: 'the image is read-only', fast: true, words: sh('touch /usr/mark') },
  { name: '--writable-tmpfs', fast: true, words: sh('touch /usr/mark && ls /usr/mark', '--writable-tmpfs') },
  // Ours has /dev/full, too, which POSIX programs may expect.
  {
    name: '--contain',
    words: sh('ls -A /tmp $HOME; pwd; ls /dev | grep -vx full | sort', '--contain'),
    cwd: '@SCRATCH@'
  },
  // Ours has no /dev/mqueue: queues are made without it.
  {
    name: '--containall',
    words: sh(
      'ls -A /tmp $HOME; pwd; ls /dev | grep -vxE "full|mqueue" | sort; echo $FROM_HOST; test $$ -lt 100 && echo own',
      '--containall'
    ),
    environment: { FROM_HOST: 'gone' },
    cwd: '@SCRATCH@'
  },
  { name: '--containall --no-pid', words: sh('test $$ -gt 2 && echo shared', '--containall', '--no-pid') },
  {
    name: '--compat',
    fast: true,
    words: sh('umask; touch /usr/mark && ls /usr/mark; pwd; echo $FROM_HOST; ls -A $HOME /var/tmp', '--compat'),
    environment: { FROM_HOST: 'gone' },
    cwd: '@SCRATCH@'
  },
  { name: '--pid', words: sh('test $$ -lt 100 && echo own; readlink /proc/self | grep -c .', '--pid') },
  { name: '--pid with a signal', fast: true, words: sh('kill -TERM $$', '--pid') },
  { name: '--pid --no-mount proc', words: sh('ls /proc | wc -l', '--pid', '--no-mount', 'proc') },
  {
    name: '--no-init',
    words: sh('echo $$', '--pid', '--no-init'),
    // Ours always has an init that reaps.
    ours: { stdout: '2\n', status: 0 }
  },
  { name: '--fakeroot', words: sh('id -u; id -g; echo $HOME; whoami', '--fakeroot') },
  { name: '--ipc', words: sh('wc -l < /proc/sysvipc/shm', '--ipc') },
  { name: '--uts --hostname', fast: true, words: sh('cat /proc/sys/kernel/hostname', '--uts', '--hostname', 'box') },
  { name: '--no-umask', fast: true, words: sh('umask', '--no-umask') },
  { name: 'NO_UMASK', words: sh('umask'), environment: { APPTAINER_NO_UMASK: '1' } },
  { name: '--overlay', words: sh('echo kept >> /usr/kept; tail -n 1 /usr/kept', '--overlay', '@SCRATCH@/changes') },
  { name: '--overlay sees it again', words: sh('tail -n 1 /usr/kept', '-o', '@SCRATCH@/changes') },
  {
    name: '--overlay ro',
    fast: true,
    words: sh('cat /usr/mark; echo x > /usr/mark', '--overlay', '@SCRATCH@/second:ro')
  },
  {
    name: '--overlay: later over earlier',
    words: sh('cat /usr/mark; ls /', '--overlay', '@SCRATCH@/second:ro', '--overlay', '@SCRATCH@/third:ro')
  },
  {
    name: '--overlay with --writable-tmpfs',
    words: sh('cat /usr/mark; touch /usr/new && echo w', '--overlay', '@SCRATCH@/second:ro', '--writable-tmpfs')
  },
  {
    name: '--overlay of a squashfs image',
    words: sh('cat /usr/mark; ls -d /upper; touch /usr/new || echo read', '--overlay', '@SCRATCH@/third.sqfs')
  },
  {
    name: '--overlay of a squashfs image, written over',
    words: sh('echo new > /usr/mark; cat /usr/mark', '--overlay', '@SCRATCH@/third.sqfs:ro', '--writable-tmpfs')
  },
  { name: '--no-mount tmp', words: sh('ls -A /tmp', '--no-mount', 'tmp') },
  { name: 'passwd and group', fast: true, words: sh('whoami; grep -c ^root: /etc/passwd; id -un; id -gn') },
  { name: 'host files', words: sh('test -s /etc/hosts && echo hosts; test -e /etc/resolv.conf && echo resolv') },
  { name: 'umask', words: sh('umask') },
  { name: '/proc and /sys', words: sh('test -r /proc/self/status && test -d /sys/class && echo both') },
  { name: '/dev', words: sh('echo x > /dev/null && head -c 4 /dev/zero | wc -c && test -d /dev/shm && echo shm') },
  {
    name: 'no_new_privs',
    words: sh('grep NoNewPrivs /proc/self/status'),
    // Apptainer leaves it out for root.
    ours: { stdout: 'NoNewPrivs:\t1\n', status: 0 }
  },
  {
    name: 'conventions',
    fast: true,
    words: sh('ls -d /.singularity.d /.singularity.d/env /.singularity.d/libs; readlink /singularity')
  },
  // Programs of the image
  // Apptainer says on stdout that it runs /bin/sh -c true instead.
  { name: 'test: there is none', fast: true, words: ['test', '@IMAGE@'], ours: { stdout: '', status: 0 } },
  { name: 'run: command of the image', fast: true, words: ['run', '@IMAGE@'], image: 'hello-world' },
  { name: 'run: arguments replace it', fast: true, words: ['run', '@IMAGE@', '/hello', 'x'], image: 'hello-world' },
  { name: 'run: entrypoint with its command', fast: true, words: ['run', '@IMAGE@'], image: 'app' },
  {
    name: 'run: entrypoint with arguments',
    fast: true,
    words: ['run', '@IMAGE@', 'a b', '$HOME', "it's"],
    image: 'app',
    // Apptainer has a shell evaluate them once more.
    ours: { stdout: "app started with a b $HOME it's\nhello from /app/data\n", status: 0 }
  },
  { name: 'run --no-eval', fast: true, words: ['run', '--no-eval', '@IMAGE@', 'a b', '$HOME', "it's"], image: 'app' },
  { name: 'exec without a shell in the image', words: ['exec', '@IMAGE@', '/hello', 'x'], image: 'hello-world' },
  {
    name: 'shell reads stdin',
    fast: true,
    words: ['shell', '@IMAGE@'],
    image: 'busybox',
    input: 'echo from stdin\nexit 5\n'
  }
];

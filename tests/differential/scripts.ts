// SPDX-License-Identifier: BSD-3-Clause
/**
 * Shell scripts that must print the same under nbcontainer and under Apptainer 1.4.5: what takes several commands, and
 * images that only Apptainer can build. `ap` is the program, `ax` the program with `-u` behind the action where
 * Apptainer needs that; @APPS@ is a SIF with SCIF apps, @BOX@ a sandbox directory of each maker's own.
 */
export interface IScriptCase {
  readonly name: string;
  readonly script: string;
}

/** Columns of a table by single blanks, without the process id. */
const TABLE = "sed -E 's/ +[0-9]+ +/ PID /; s/ +/ /g'";
/** Starts an instance, and ends it whatever happens. */
const instance = (script: string, options = ''): string =>
  `ap --silent instance start ${options} -u @APPS@ one a b; ${script}; ap --silent instance stop one; echo end $?`;

export const SCRIPTS: readonly IScriptCase[] = [
  { name: 'run --app', script: 'ax run --app foo @APPS@ a "b c"' },
  { name: 'exec --app finds its programs', script: 'ax exec --app foo @APPS@ footool' },
  {
    name: 'exec --app has its variables',
    script: 'ax exec --app foo @APPS@ env | grep -E "^(SCIF|FOO|PATH|LD_)" | sort'
  },
  { name: 'shell --app', script: 'echo "echo $SCIF_APPNAME; pwd" | ax shell --app foo @APPS@' },
  { name: 'test --app', script: 'ax test --app foo @APPS@' },
  { name: 'APPTAINER_APP', script: 'APPTAINER_APP=bar ax run @APPS@' },
  { name: 'exec without --app', script: 'ax exec @APPS@ env | grep -E "^(SCIF|PATH|LD_|MAIN)" | sort' },
  { name: 'run-help --app', script: 'ap run-help --app foo @APPS@; ap run-help --app bar @APPS@; ap run-help @APPS@' },
  { name: 'inspect --list-apps', script: 'ap inspect --list-apps @APPS@' },
  {
    name: 'inspect --list-apps with more, and of an app that is not there',
    script:
      'ap inspect --list-apps -r @APPS@; ap inspect --list-apps -j @IMAGE@; ap inspect --app no -j @APPS@; ap run-help --app "" @APPS@'
  },
  {
    name: 'a bind over a directory with mounts in it',
    script: 'for d in /var /home; do ax exec -B @SCRATCH@/home:$d @APPS@ ls $d; done'
  },
  {
    name: 'the notations of pflag',
    script:
      "ax exec -B=@SCRATCH@/home:/a @APPS@ ls /a; APPTAINER_CLEANENV=1 SEEN=1 ax exec --cleanenv=false @APPS@ sh -c 'echo $SEEN'; ax exec --no-such @APPS@ --help 2>/dev/null | grep -c nbcontainer; ax exec --pid=maybe @APPS@ true >/dev/null 2>&1; echo $?"
  },
  {
    name: '--pwd that is relative is below /',
    script: 'for d in opt . .. usr/bin; do ax exec --pwd $d @APPS@ pwd; done'
  },
  {
    name: 'lists of --env',
    script:
      'for e in A=1,2 \'A="x\' \'"A=1,2",B=3\' \'A=1,B=2,3\' \'A="1,2",B=3\'; do ax exec --env "$e" @APPS@ sh -c \'echo "<$A>"\' 2>/dev/null | grep "^<"; done'
  },
  {
    name: 'options of a bind',
    script:
      'for o in ro rw,ro ro,rw " ro"; do ax exec -B "@SCRATCH@/home:/a:$o" @APPS@ touch /a/mark 2>/dev/null; echo $?; done'
  },
  {
    name: 'test of an image without a script',
    script:
      'ax test -B /no/such:/x @IMAGE@ 2>/dev/null; echo $?; ax test @IMAGE@ >/dev/null 2>&1; echo $?; ax test @HELLO@ >/dev/null 2>&1; echo $?'
  },
  {
    name: 'variables in the place of flags',
    script: [
      'APPTAINER_NO_MOUNT=proc ax exec --no-mount sys @APPS@ sh -c "ls /proc /sys | grep -c self"',
      'APPTAINER_SCRATCH=/a APPTAINER_SCRATCHDIR=/b ax exec @APPS@ sh -c "ls -d /a /b 2>/dev/null"',
      'APPTAINER_SCRATCH=/a ax exec --scratch /b @APPS@ sh -c "ls -d /a /b 2>/dev/null"',
      'APPTAINER_PWD= SINGULARITY_PWD=/opt ax exec @APPS@ pwd',
      'APPTAINER_PWD=/opt APPTAINER_CWD=/usr ax exec @APPS@ pwd',
      'ax exec --cwd /usr --pwd /opt @APPS@ pwd',
      'APPTAINER_ENV=production APPTAINER_SHELL=/x ax exec @APPS@ sh -c "env | grep -cE SHELL"'
    ].join('; ')
  },
  { name: 'a home that is no directory', script: 'ax exec -H @SCRATCH@/home/mark @APPS@ true 2>/dev/null; echo $?' },
  { name: 'USER_PATH', script: 'for f in -c -e -C; do ax exec $f @APPS@ env | grep -c ^USER_PATH; done' },
  { name: 'inspect --app', script: 'for f in -l -r -e -H -t -s -j; do ap inspect --app foo $f @APPS@; done' },
  { name: 'run, test of a definition file', script: 'ax run @APPS@ x; ax test @APPS@' },
  {
    name: '--writable',
    script: 'ax exec -w @BOX@ sh -c "echo kept > /usr/kept; touch /top"; ax exec @BOX@ cat /usr/kept /top'
  },
  { name: '--writable makes no mount points', script: 'ax exec -w @BOX@ true 2>/dev/null; ls @BOX@' },
  { name: '--writable with a bind', script: 'ax exec -w -B @SCRATCH@/home:/mnt @BOX@ cat /mnt/mark' },
  { name: '--writable with --writable-tmpfs', script: 'ax exec -w --writable-tmpfs @BOX@ touch /both; ls @BOX@/both' },
  { name: 'a sandbox is read-only', script: 'ax exec @BOX@ touch /usr/mark 2>/dev/null; echo $?' },
  {
    name: '--no-privs',
    script: 'ax exec --no-privs @IMAGE@ grep ^Cap /proc/self/status'
  },
  {
    name: '--no-privs --add-caps',
    script: 'ax exec --no-privs --add-caps kill,CAP_CHOWN @IMAGE@ grep CapEff /proc/self/status'
  },
  { name: '--drop-caps all', script: 'ax exec --drop-caps all @IMAGE@ grep CapEff /proc/self/status' },
  { name: '--drop-caps of an unknown one', script: 'ax exec --drop-caps bogus @IMAGE@ true; echo $?' },
  { name: '--keep-privs', script: 'ax exec --keep-privs @IMAGE@ grep NoNewPrivs /proc/self/status' },
  {
    name: 'instance list',
    script: instance(`ap instance list | ${TABLE}; ap instance list 'o*' | wc -l; ap instance list x`)
  },
  {
    name: 'instance list --json',
    script: instance(`ap instance list --json | grep -vE 'log(Err|Out)Path' | sed -E 's/"pid": [0-9]+/"pid"/'`)
  },
  { name: 'no instances', script: 'ap instance list; ap instance list --json; ap instance list -l' },
  { name: 'exec in an instance', script: instance('ax exec instance://one sh -c "pwd; exit 7"; echo $?') },
  { name: 'run in an instance', script: instance('ax run instance://one x y') },
  {
    name: 'shell in an instance',
    script: instance("echo 'echo $SINGULARITY_NAME $MAIN_VAR' | ax shell instance://one")
  },
  { name: 'test in an instance', script: instance('ax test instance://one') },
  { name: 'an app in an instance', script: instance('ax run --app foo instance://one x') },
  {
    name: 'variables in an instance',
    script: instance(
      'ax exec --env A=b instance://one env | grep -E "^(A|APPTAINER_(INSTANCE|NAME)|SINGULARITY_INSTANCE)=" | sort'
    )
  },
  {
    name: 'an instance has process ids of its own',
    script: instance('ax exec instance://one sh -c "test \\$\\$ -lt 100 && echo own"')
  },
  {
    name: 'commands in an instance share its files',
    script: instance('ax exec instance://one touch /usr/mark; ax exec instance://one ls /usr/mark', '--writable-tmpfs')
  },
  { name: 'binds of an instance', script: instance('ax exec instance://one cat /mnt/mark', '-B @SCRATCH@/home:/mnt') },
  {
    name: 'instance stop by a pattern',
    script: 'ap --silent instance start -u @APPS@ two; ap --silent instance stop "t*"; ap instance list'
  },
  {
    name: 'instance run',
    script:
      'ap --silent instance run -u @APPS@ job x; sleep 0.3; ap instance list | wc -l; ap --silent instance stop job; echo $?'
  },
  { name: 'instance --pid-file', script: instance('kill -0 $(cat /tmp/pid) && echo there', '--pid-file /tmp/pid') },
  {
    name: '--overlay of an image',
    script:
      'ap overlay create --sparse /tmp/o.img; ax exec -o /tmp/o.img @IMAGE@ sh -c "echo kept > /usr/kept"; ax exec -o /tmp/o.img:ro @IMAGE@ sh -c "cat /usr/kept; touch /usr/kept"; echo $?'
  },
  {
    name: 'overlay create',
    script:
      'ap overlay create /tmp/o.img; stat -c "%s %a" /tmp/o.img; ap overlay create --size 70 /tmp/p.img; stat -c %s /tmp/p.img'
  }
];

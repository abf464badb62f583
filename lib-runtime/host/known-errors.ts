// SPDX-License-Identifier: BSD-3-Clause
/**
 * Messages that people meet when they start containers on notebook platforms, what causes them and what to do: the
 * table behind `nbcontainer doctor --explain`. Data only; host/explain.ts looks things up in it.
 *
 * A row's `example` is what a reporter saw (the thread in `source`), a row's `pattern` is what stays the same of it.
 * Special cases come before general ones: the first row that fits a line speaks.
 */

export interface IKnownError {
  readonly id: string;
  readonly pattern: RegExp;
  /** The message as somebody met it. */
  readonly example: string;
  /** One sentence without a full stop. */
  readonly cause: string;
  /** What the user can do. One sentence without a full stop. */
  readonly advice: string;
  /** What an administrator could change. */
  readonly administrator?: string;
  /** Where it was reported or can be read, `owner/repository#number` or a document. */
  readonly source: string;
}

const EXEC = 'nbcontainer exec IMAGE COMMAND';

const NAMESPACE_ERRORS: readonly IKnownError[] = [
  {
    id: 'procfs-mount-denied',
    pattern: /mounting .{0,200}\/mountinfo to \/proc\/self\/mountinfo: permission denied/i,
    example:
      'while mounting /var/lib/apptainer/mnt/session/mountinfo to /proc/self/mountinfo: permission denied (hook function for tag sessiondir returns error)',
    cause: 'this platform (Colab since March 2025) denies every mount that involves procfs, and Apptainer needs one',
    advice: `No flag of Apptainer helps; ${EXEC} starts here without such a mount (the in-place root)`,
    source: 'apptainer/apptainer#2842, googlecolab/colabtools#5173'
  },
  {
    id: 'capability-not-permitted',
    pattern: /capabilit.*CAP_\w+ is not in the permitted capability set/i,
    example: 'while setting effective capabilities: CAP_DAC_READ_SEARCH is not in the permitted capability set',
    cause: "root of a docker container has only docker's capabilities, and Apptainer's setuid mode asks for more",
    advice: `Use ${EXEC}, which asks for none; with Apptainer --fakeroot helped until 2025`,
    source: 'apptainer/apptainer#1041, sylabs/singularity#369'
  },
  {
    id: 'procfs-masked',
    pattern:
      /mount(ing)? "?proc"?.{0,80} (to|at) .{0,120}operation not permitted|failed to mount proc filesystem: operation not permitted|Mount too revealing/i,
    example: 'mounting "proc" to rootfs at "/proc": operation not permitted',
    cause: 'the outer container masks parts of /proc, so the kernel lets nobody mount a new one in a user namespace',
    advice: 'Leave out --pid and --containall: the /proc that is there is shown then',
    administrator: 'docker: --security-opt systempaths=unconfined; Kubernetes: procMount: Unmasked',
    source: 'opencontainers/runc#2639, apptainer/apptainer#3725, apptainer/singularity#5857'
  },
  {
    id: 'bwrap-procfs',
    pattern: /bwrap: Can't mount proc on .*: Operation not permitted/,
    example: "bwrap: Can't mount proc on /newroot/proc: Operation not permitted",
    cause: 'bubblewrap wants a new procfs, which is denied where the outer container masks parts of /proc',
    advice: 'Leave out --unshare-pid and --proc, or start the program with nbcontainer exec',
    administrator: 'podman: --security-opt unmask=ALL',
    source: 'containers/bubblewrap#284, containers/bubblewrap#505'
  },
  {
    id: 'pivot-root-denied',
    pattern: /pivot_root: (Operation not permitted|Permission denied|Invalid argument)/i,
    example: 'bwrap: pivot_root: Operation not permitted',
    cause: "docker's seccomp profile or a missing CAP_SYS_ADMIN denies the change of root",
    advice: `Use ${EXEC}: it takes chroot, the in-place root or PRoot instead`,
    source: 'fsquillace/junest#247'
  },
  {
    id: 'no-tap-device',
    pattern: /ip tuntap add name tap0|\/dev\/net\/tun/,
    example: '[rootlesskit:child ] error: executing [[ip tuntap add name tap0 mode tap]',
    cause: 'rootless docker makes a network of its own, and there is no /dev/net/tun here',
    advice: `No docker daemon can run here; ${EXEC} uses the network of the machine`,
    source: 'rootless-containers/rootlesskit#181'
  },
  {
    id: 'cgroupfs-read-only',
    pattern: /mkdir \/sys\/fs\/cgroup\/.*: read-only file system/i,
    example: 'mkdir /sys/fs/cgroup/cpuset/docker: read-only file system',
    cause: 'the control groups of the outer container are read-only, and a docker daemon has to make some',
    advice: `No docker daemon can run here; ${EXEC} needs none`,
    source: 'docker/for-linux#1124, opencontainers/runc#2639'
  },
  {
    id: 'user-namespace-apparmor-map',
    pattern:
      /Could not write info to setgroups: Permission denied|waiting event for user namespace mappings: no event received/,
    example: 'Could not write info to setgroups: Permission denied',
    cause:
      'AppArmor of Ubuntu 23.10 and newer lets ordinary programs make a user namespace but gives them no rights in it',
    advice: `Use ${EXEC}; where namespaces stay denied it takes PRoot`,
    administrator:
      'sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for the program with `userns,`',
    source: 'apptainer/apptainer#2457'
  },
  {
    id: 'user-namespace-apparmor',
    pattern: /Failed to create user namespace: Permission denied/i,
    example: 'Failed to create user namespace: Permission denied',
    cause: 'AppArmor of Ubuntu 23.10 and newer denies user namespaces to programs without a profile of their own',
    advice: `Use ${EXEC}; where namespaces stay denied it takes PRoot`,
    administrator:
      'sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for the program with `userns,`',
    source: 'apptainer/apptainer#2027'
  },
  {
    id: 'user-namespace-denied',
    pattern:
      /not allowed to create user namespace|user namespace requires (to|you to) set |Failed to create user namespace:/i,
    example: 'Failed to create user namespace: not allowed to create user namespace',
    cause: 'a seccomp profile or a sysctl denies user namespaces to ordinary users',
    advice: `Use ${EXEC}: without namespaces it takes PRoot, which needs none`,
    administrator:
      'sysctl user.max_user_namespaces=15000 (and kernel.unprivileged_userns_clone=1 on Debian), or a seccomp profile that permits unshare and clone',
    source: 'apptainer/apptainer#1439'
  },
  {
    id: 'mount-namespace-privileges',
    pattern: /mount namespace requires privileges/i,
    example: 'Failed to create mount namespace: mount namespace requires privileges, check Apptainer installation',
    cause: "this Apptainer is not setuid (conda's is not) and the kernel or AppArmor gives it no user namespace",
    advice: `Use ${EXEC}, which falls back to PRoot`,
    administrator: 'install Apptainer with apptainer-suid, or allow unprivileged user namespaces',
    source: 'apptainer/apptainer#1017, #1294, #2360'
  },
  {
    id: 'mount-propagation-denied',
    pattern: /(Failed to set mount propagation|cannot change root filesystem propagation): Permission denied/i,
    example: 'shared_mount_namespace_init() Failed to set mount propagation: Permission denied',
    cause: "the pod runs under AppArmor's docker-default, whose `deny mount` forbids every mount",
    advice: `Use ${EXEC}: it takes PRoot, which mounts nothing`,
    administrator: 'an AppArmor profile that permits mount for this pod (docker: --security-opt apparmor=unconfined)',
    source: 'apptainer/apptainer#1806, apptainer/singularity#5129'
  },
  {
    id: 'container-process-denied',
    pattern: /Failed to create container process: Operation not permitted/,
    example: 'ERROR  : Failed to create container process: Operation not permitted',
    cause: 'the new process was to have namespaces, and a seccomp profile denies them',
    advice: `Use ${EXEC}: without namespaces it takes PRoot`,
    source: 'seen with Apptainer 1.4.5 on the stand-in of Kaggle'
  },
  {
    id: 'fakeroot-requirements',
    pattern: /--fakeroot requires either being in \/etc\/subuid, unprivileged user namespaces, or the fakeroot command/,
    example:
      'FATAL:   --fakeroot requires either being in /etc/subuid, unprivileged user namespaces, or the fakeroot command',
    cause: 'the account has no range of ids, user namespaces are denied and there is no fakeroot program',
    advice: `Use ${EXEC} as you are: most programs do not care who you are`,
    administrator: 'a range in /etc/subuid and /etc/subgid, and unprivileged user namespaces',
    source: 'seen with Apptainer 1.4.5 on the stand-in of Studio Lab'
  },
  {
    id: 'capability-set-too-large',
    pattern: /Requesting capability set 0x[0-9a-f]+ while permitted capability set is 0x[0-9a-f]+/,
    example:
      'ERROR  : Requesting capability set 0x000001ffffffffff while permitted capability set is 0x000001fffeffffff',
    cause: 'root of this machine lacks a capability that Apptainer asks for',
    advice: `Add -u (a user namespace), or use ${EXEC}, which asks for none that you lack`,
    source: 'seen with Apptainer 1.4.5 on a virtual machine whose root lacks CAP_SYS_RESOURCE'
  },
  {
    id: 'gid-map-denied',
    pattern: /new[ug]idmap: write to [ug]id_map failed: Operation not permitted/,
    example: 'newgidmap: write to gid_map failed: Operation not permitted',
    cause:
      'newuidmap and newgidmap are setuid programs, and no_new_privs or a missing capability of the outer container takes their rights away',
    advice: 'Leave out --fakeroot or use nbcontainer exec --fakeroot, which maps your own id and pretends the others',
    administrator: 'allow privilege escalation in the pod, or give the two programs file capabilities (setcap)',
    source: 'apptainer/apptainer#3725'
  },
  {
    id: 'unshare-denied',
    pattern: /unshare(\(\w*\))?: (unshare )?failed: Operation not permitted|unshare: Operation not permitted/i,
    example: 'unshare: unshare failed: Operation not permitted',
    cause: 'neither CAP_SYS_ADMIN nor user namespaces are given here (docker, gVisor and many services)',
    advice: `Use ${EXEC}: it takes PRoot`,
    source: 'docs.docker.com: Seccomp security profiles for Docker'
  },
  {
    id: 'mount-denied-apparmor',
    pattern: /\bmount\b.{0,200}: (Permission denied|.{0,40}EACCES)/i,
    example: 'mount: /mnt: permission denied (EACCES)',
    cause:
      'a security module (AppArmor docker-default in pods, a rule of the platform) denies the mount; seccomp or missing rights would say "not permitted"',
    advice: `Use ${EXEC}: it takes what is left, see nbcontainer doctor`,
    administrator: 'an AppArmor profile that permits mount (docker: --security-opt apparmor=unconfined)',
    source: 'docs.docker.com: AppArmor security profiles for Docker'
  },
  {
    id: 'sudo-missing',
    pattern: /sudo: (command )?not found|sudo: no new privileges|"no new privileges" flag is set/i,
    example: 'bash: sudo: command not found',
    cause: 'this platform gives no root (Studio Lab, hub pods)',
    advice:
      'Nothing of nbcontainer needs sudo: pull, exec and --writable-tmpfs work as you are; exec --fakeroot lets package managers believe in root',
    source: 'aws/studio-lab-examples#118, #198'
  }
];

const FILE_SYSTEM_ERRORS: readonly IKnownError[] = [
  {
    id: 'no-fuse-device',
    pattern: /fuse: device not found|\/dev\/fuse: No such file or directory/i,
    example: "fuse: device not found, try 'modprobe fuse' first",
    cause: 'there is no /dev/fuse here (Kaggle, pods)',
    advice: 'Nothing has to be done: nbcontainer unpacks an image once into its store where it cannot be mounted',
    administrator: 'a device plugin that gives /dev/fuse to the pod, with CAP_SYS_ADMIN',
    source: 'astrada/google-drive-ocamlfuse#767, rclone/rclone#4850'
  },
  {
    id: 'fuse-device-denied',
    pattern: /(failed to open|cannot open|open) \/dev\/fuse: (Operation not permitted|Permission denied)/i,
    example: 'fusermount: failed to open /dev/fuse: Operation not permitted',
    cause: 'the node is there, but the device control group of the container denies its use',
    advice: 'Nothing has to be done: nbcontainer unpacks an image once into its store',
    administrator: 'a device plugin for /dev/fuse; a hostPath mount is not enough',
    source: 'GoogleCloudPlatform/gcsfuse#236, flyteorg/flyte-sdk#1205'
  },
  {
    id: 'fusermount3-missing',
    pattern: /"?fusermount3"?: executable file not found|fusermount3: (command )?not found/i,
    example: 'exec: "fusermount3": executable file not found in $PATH',
    cause: 'the machine has FUSE 2 and the program asks for FUSE 3 (Colab)',
    advice: 'apt-get install fuse3 where you are root; nbcontainer does not need it',
    source: 'shirooo39/MiXLab#30'
  },
  {
    id: 'sif-to-sandbox',
    pattern: /Converting SIF file to temporary sandbox|squashfuse not found, will not be able to mount SIF/i,
    example: 'INFO:    Converting SIF file to temporary sandbox...',
    cause: 'Apptainer can neither mount the image nor use FUSE here and unpacks it anew for every run',
    advice: `Use ${EXEC}: the image is unpacked once and every later start uses the same tree`,
    administrator: 'install squashfuse and give /dev/fuse',
    source: 'apptainer/apptainer#737'
  },
  {
    id: 'quota-exceeded',
    pattern: /disk quota exceeded|\bEDQUOT\b/i,
    example: 'Write on output file failed because Disk quota exceeded',
    cause: 'the quota of the file system that takes the unpacked image (often a small /tmp) is used up',
    advice:
      'Set NBCONTAINER_HOME (for Apptainer: APPTAINER_TMPDIR and APPTAINER_CACHEDIR) to a larger disk; nbcontainer images shows what can go',
    source: 'Peppy-bot/peppy#337'
  },
  {
    id: 'bad-superblock',
    pattern: /bad superblock for squashfs|reported a bad superblock/i,
    example: 'kernel reported a bad superblock for squashfs image partition',
    cause: 'the kernel was built without the compression of this image (often zstd), or the file is damaged',
    advice:
      'nbcontainer exec --unsquash IMAGE reads the image itself; nbcontainer inspect IMAGE tells whether it is damaged; --compression gzip at pull suits old kernels',
    source: 'apptainer/apptainer#2121'
  },
  {
    id: 'drive-input-output',
    pattern: /\[Errno 5\] Input\/output error|QUOTA_EXCEEDED/,
    example: "OSError: [Errno 5] Input/output error: '/content/drive/MyDrive/image.sif'",
    cause: 'Google Drive limits how often a file may be read, and a container reads its image in many small pieces',
    advice: 'Copy the image to the local disk first (cp /content/drive/MyDrive/image.sif /content/) and start that',
    source: 'googlecolab/colabtools#510, #1443, #1607'
  },
  {
    id: 'memory-max-missing',
    pattern:
      /(could not find|not found|no such file).{0,200}memory\.max\b|memory\.max\b.{0,80}(not found|no such file)/i,
    example: "Could not find file '/sys/fs/cgroup/memory.max'",
    cause: 'the platform (Colab) shows a control group without a memory limit, and the program insists on one',
    advice: 'Tell the program its memory by its own option or variable (for .NET: DOTNET_GCHeapHardLimit)',
    source: 'dotnet/runtime#130092'
  }
];

const DEVICE_ERRORS: readonly IKnownError[] = [
  {
    id: 'underlay-bind-mounts',
    pattern: /underlay of .* required more than \d+ \(\d+\) bind mounts/,
    example: 'WARNING: underlay of /usr/bin/nvidia-smi required more than 50 (388) bind mounts',
    cause: 'Apptainer shows the entries of a directory one by one where the image lacks a mount point',
    advice: 'It is harmless and can be ignored',
    source: 'sokrypton/ColabFold#549'
  },
  {
    id: 'no-nv-files',
    pattern: /Could not find any nv files on this host/i,
    example: 'WARNING: Could not find any nv files on this host!',
    cause:
      "Apptainer looks for the driver in the loader's cache, and this machine keeps it elsewhere (Colab: /usr/lib64-nvidia)",
    advice:
      'Use nbcontainer exec --nv, which also looks in LD_LIBRARY_PATH, /usr/lib64-nvidia and /usr/local/nvidia/lib64; nbcontainer doctor says what it found',
    administrator: 'run ldconfig with the directory of the driver',
    source: 'sokrypton/ColabFold#549, apptainer/apptainer#464'
  },
  {
    id: 'nvidia-ml-missing',
    pattern: /couldn't find libnvidia-ml\.so/i,
    example: "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system.",
    cause: 'nvidia-smi is in the container, the library of the driver is not',
    advice: 'Add --nv; nbcontainer doctor says which driver the machine has and where',
    source: 'apptainer/apptainer#2028'
  },
  {
    id: 'udocker-nvidia-missing',
    pattern: /host nvidia libraries not found/i,
    example: 'Error: host nvidia libraries not found',
    cause: 'udocker finds the driver by LD_LIBRARY_PATH, which `su -` has emptied',
    advice: 'Use nbcontainer exec --nv, which knows where platforms keep the driver',
    source: 'docker-in-colab#1, indigo-dc/udocker#438'
  },
  {
    id: 'udocker-nvidia-files',
    pattern: /creating nvidia dir |nvidia file in config not found/i,
    example: 'Warn: nvidia file in config not found: /etc/vulkan/icd.d/nvidia_icd.json',
    cause: 'udocker expects files of a desktop driver that this machine does not have',
    advice: 'It can be ignored unless Vulkan is used; nbcontainer exec --nv takes what there is',
    source: 'indigo-dc/udocker#425'
  },
  {
    id: 'libcuda-not-found',
    pattern: /libcuda\.so(\.1)? cannot (be )?found|libcuda\.so\.1: cannot open shared object file/i,
    example: 'AssertionError: libcuda.so cannot found!',
    cause: "the driver's directory is not in the loader's cache, or the container was started without --nv",
    advice:
      'In a container: add --nv. On Colab itself: echo /usr/lib64-nvidia > /etc/ld.so.conf.d/libcuda.conf && ldconfig',
    source: 'googlecolab/colabtools#4300'
  },
  {
    id: 'gpu-blocked',
    pattern: /GPU access blocked by the operating system/i,
    example: 'Failed to initialize NVML: GPU access blocked by the operating system',
    cause: 'the sandbox around this machine (gVisor, WSL) does not pass this use of the card on',
    advice: 'Nothing in a container can change that; try a machine that is not sandboxed this way',
    source: 'google/gvisor#9368, #11069'
  }
];

const ENGINE_ERRORS: readonly IKnownError[] = [
  {
    id: 'ptrace-denied',
    pattern: /proot error: ptrace\(\w+\): Operation not permitted/i,
    example: 'proot error: ptrace(TRACEME): Operation not permitted',
    cause: 'tracing a process is denied here (seccomp of an old docker, kernel.yama.ptrace_scope=3)',
    advice:
      'PRoot cannot work then, and PROOT_NO_SECCOMP does not help; nbcontainer doctor says what else is permitted',
    administrator: 'sysctl kernel.yama.ptrace_scope=1, or docker 19.03 and newer on a kernel of 4.8 and newer',
    source: 'indigo-dc/udocker#144, #216, #243'
  },
  {
    id: 'udocker-f-mode',
    pattern: /no libfakechroot found|running as uid 0 is not supported by this engine/i,
    example: 'Error: running as uid 0 is not supported by this engine',
    cause: "udocker's F modes work by LD_PRELOAD, for ordinary users and programs of a known C library only",
    advice: `Use ${EXEC}, or udocker's P modes`,
    source: 'indigo-dc/udocker#243'
  },
  {
    id: 'leaked-preload',
    pattern: /ERROR: ld\.so: object '.*' from LD_PRELOAD cannot be preloaded|module:\/\/matplotlib_inline/,
    example:
      "ERROR: ld.so: object '/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4' from LD_PRELOAD cannot be preloaded (cannot open shared object file): ignored.",
    cause: 'a variable of the notebook (LD_PRELOAD, MPLBACKEND) reached the container and means nothing there',
    advice: 'nbcontainer leaves these variables out by itself; with Apptainer: --cleanenv, or set them empty',
    source: 'neurodesk/neurodesk.github.io googleColab.md, nf-core guide for Colab'
  }
];

const TRANSFER_ERRORS: readonly IKnownError[] = [
  {
    id: 'stream-reset',
    pattern: /stream error: stream ID \d+; PROTOCOL_ERROR|http2: .*PROTOCOL_ERROR/i,
    example: 'stream error: stream ID 1; PROTOCOL_ERROR; received from peer',
    cause:
      'the registry ended a long download (a signed address expires after some minutes), and Apptainer cannot resume',
    advice:
      'Use nbcontainer pull, which fetches in ranges and goes on where it stopped; with Apptainer GODEBUG=http2client=0 helps at times',
    source: 'PapenfussLab/proteindj#49, neurodesk/neurocommand'
  },
  {
    id: 'wrong-transport',
    pattern: /could not get image manifest, received mediaType|unsupported image-specific operation on artifact/i,
    example: 'could not get image manifest, received mediaType: "application/vnd.docker.distribution.manifest.v2+json"',
    cause: 'oras:// was used for a container image, or docker:// for a SIF that was stored as an artifact',
    advice: 'Swap the two: docker:// for images that docker runs, oras:// for SIF files in a registry',
    source: 'apptainer/apptainer#632'
  }
];

/** All rows, special ones before general ones. */
export const KNOWN_ERRORS: readonly IKnownError[] = [
  ...FILE_SYSTEM_ERRORS,
  ...DEVICE_ERRORS,
  ...ENGINE_ERRORS,
  ...TRANSFER_ERRORS,
  ...NAMESPACE_ERRORS
];

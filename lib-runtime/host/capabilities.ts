// SPDX-License-Identifier: BSD-3-Clause
/** Capabilities, umask and no_new_privs of this process, from /proc/self/status (proc(5), capabilities(7)). */

/** In the order of their bits, include/uapi/linux/capability.h. */
const NAMES = (
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE ' +
  'NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN ' +
  'SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE ' +
  'MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'
).split(' ');

/** Symbolic names (`CAP_SYS_ADMIN`) of a mask in hexadecimal; bits without a name are left out. */
export function capabilityNames(mask: string): string[] {
  const bits = /^[0-9a-f]{1,16}$/i.test(mask) ? BigInt(`0x${mask}`) : 0n;
  return NAMES.filter((_name, bit) => (bits >> BigInt(bit)) & 1n).map(name => `CAP_${name}`);
}

/**
 * Bits of capabilities by their symbolic names (`CAP_CHOWN` is 0), as linux/capability.h numbers them; unknown names
 * are left out.
 */
export function capabilityNumbers(names: readonly string[]): number[] {
  return names.map(name => NAMES.indexOf(name.replace(/^CAP_/, ''))).filter(number => number >= 0);
}

/** Reads them; no capability and 022 where the text does not say (`Umask` is there since Linux 4.7). */
export function parseStatus(status: string): {
  readonly capabilities: string[];
  readonly umask: number;
  readonly noNewPrivileges: boolean;
} {
  const field = (name: string): string => new RegExp(`^${name}:\\s*(\\w+)$`, 'm').exec(status)?.[1] ?? '';
  const umask = field('Umask');
  return {
    capabilities: capabilityNames(field('CapEff')),
    umask: /^[0-7]+$/.test(umask) ? parseInt(umask, 8) : 0o22,
    noNewPrivileges: field('NoNewPrivs') === '1'
  };
}

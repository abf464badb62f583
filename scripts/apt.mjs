// SPDX-License-Identifier: BSD-3-Clause
/** Debian packages the clone uses: which, what for, and how the missing ones are installed. */
import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { capture, say, status } from './house.mjs';

/**
 * `level` start: `npm start` cannot do without. test: real tools that the tests compare with or run against.
 * A package already on the machine is never touched.
 */
const PACKAGES = [
  { name: 'python3-venv', level: 'python', why: 'the Python environment of this clone' },
  { name: 'mmdebstrap', level: 'start', why: 'makes the sample image from Debian packages' },
  { name: 'squashfs-tools', level: 'test', why: 'unsquashfs and mksquashfs read and write what ours must' },
  { name: 'squashfuse', level: 'test', why: 'mounting an image where the kernel may not' },
  { name: 'fuse-overlayfs', level: 'test', why: 'changes over an image where the kernel takes none' },
  { name: 'docker-registry', level: 'test', why: 'a real registry to pull from' },
  { name: 'skopeo', level: 'test', why: 'fills that registry, and checks our OCI layouts' },
  { name: 'umoci', level: 'test', why: 'unpacks layers as a second opinion' },
  { name: 'proot', level: 'test', why: 'the ptrace engine' },
  { name: 'bubblewrap', level: 'test', why: 'the runner we time ours against' },
  { name: 'busybox-static', level: 'test', why: 'test images without a Debian in them' },
  { name: 'valgrind', level: 'test', why: 'looks for leaks in the launcher (npm run test:all)' },
  { name: 'strace', level: 'test', why: 'makes single system calls of the launcher late' },
  { name: 'qemu-user-static', level: 'test', why: 'runs the arm64 launcher' },
  { name: 'chromium', level: 'test', why: 'browser tests' },
  { name: 'fonts-dejavu-core', level: 'test', why: 'letters in that browser' }
];

const LEVELS = { python: ['python'], start: ['start'], test: ['start', 'test'] };
const POLICY = '/usr/sbin/policy-rc.d';

function isInstalled(name) {
  return capture('dpkg-query', ['-W', '-f=${db:Status-Abbrev}', name])?.startsWith('ii') ?? false;
}

/** Installing must not start a service (docker-registry would listen on a port). Returns the undo. */
function withoutServices() {
  if (existsSync(POLICY)) {
    return () => {};
  }
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n');
  chmodSync(POLICY, 0o755);
  return () => rmSync(POLICY, { force: true });
}

/**
 * Installs what a level lacks, as root; otherwise says what is missing and goes on.
 * Resolves to the names still missing.
 */
export async function ensurePackages(level) {
  const wanted = PACKAGES.filter(item => LEVELS[level].includes(item.level));
  if (capture('dpkg-query', ['--version']) === undefined) {
    say(`This is not a Debian or Ubuntu machine; please see to these yourself: ${wanted.map(p => p.name).join(' ')}`);
    return [];
  }
  const missing = wanted.filter(item => !isInstalled(item.name));
  if (missing.length === 0) {
    return [];
  }
  const names = missing.map(item => item.name);
  if (process.getuid?.() !== 0) {
    say('These Debian packages are missing, and only root may install them:');
    missing.forEach(item => say(`  ${item.name}: ${item.why}`));
    say(`  sudo apt-get install ${names.join(' ')}`);
    return names;
  }
  say('Installing Debian packages that are missing (once):');
  missing.forEach(item => say(`  ${item.name}: ${item.why}`));
  const undo = withoutServices();
  const quiet = { env: { DEBIAN_FRONTEND: 'noninteractive' } };
  const install = () => status('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...names], quiet);
  try {
    if ((await install()) !== 0) {
      say('The package lists may be old: apt-get update, then once more.');
      await status('apt-get', ['update', '-qq'], quiet);
      await install();
    }
  } finally {
    undo();
  }
  const still = names.filter(name => !isInstalled(name));
  if (still.length > 0) {
    say(`Could not be installed: ${still.join(' ')}. What needs them will say so.`);
  }
  return still;
}

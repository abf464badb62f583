// SPDX-License-Identifier: BSD-3-Clause
/** The test images are what they claim: umoci unpacks them, chroot runs them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { OS_NAMES, testImages } from './images.ts';
import type { TestImage } from './images.ts';

let scratch: string;
let folder: string;
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'nbc-images-'));
  folder = await testImages();
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function unpack(image: TestImage): string {
  const bundle = join(scratch, image);
  const rootless = process.getuid?.() === 0 ? [] : ['--rootless'];
  execFileSync('umoci', ['unpack', ...rootless, '--image', `${join(folder, image)}:latest`, bundle], {
    stdio: 'ignore'
  });
  return join(bundle, 'rootfs');
}

it.runIf(process.getuid?.() === 0)('unpacks and runs each of them', () => {
  const hello = unpack('hello-world');
  expect(readdirSync(hello)).toEqual(['hello']);
  expect(execFileSync('chroot', [hello, '/hello'], { input: '' }).toString()).toBe('Hello from a static program!\n');
  for (const image of ['app', 'debian', 'busybox'] as const) {
    const cat = image === 'app' ? '/app/bin/cat' : '/bin/cat';
    const text = execFileSync('chroot', [unpack(image), cat, '/etc/os-release']).toString();
    expect(text).toContain(OS_NAMES[image]);
  }
  const sum = ['/usr/bin/bash', '-c', 'dpkg --version > /version && echo $((6 * 7))'];
  expect(execFileSync('chroot', [join(scratch, 'debian', 'rootfs'), ...sum]).toString()).toBe('42\n');
  expect(
    execFileSync('chroot', [join(scratch, 'app', 'rootfs'), '/app/start', 'x'], {
      env: { PATH: '/app/bin:/usr/sbin:/usr/bin:/sbin:/bin' }
    }).toString()
  ).toBe('app started with x\nhello from /app/data\n');
});

// SPDX-License-Identifier: BSD-3-Clause
/** The image that conversions are timed with: a Debian with Python and numpy in three gzip layers, ~90 MB. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { REPOSITORY } from '../platforms/build.ts';
import { writeOciLayout } from '../tests/support/oci-layout.ts';

const run = promisify(execFile);
const SUITE = 'bookworm';
const PACKAGES = ['python3', 'python3-numpy', 'git', 'perl', 'ca-certificates', 'file'];

/** Path of an OCI layout with the tag `latest`; made on the first call (network, about a minute). */
export async function benchImage(): Promise<string> {
  const layout = join(REPOSITORY, '.cache', `bench-image-${SUITE}`);
  if (existsSync(layout)) {
    return layout;
  }
  const temporary = `${layout}.${process.pid}`;
  try {
    await mkdir(temporary, { recursive: true });
    const tar = join(temporary, 'base.tar');
    const options = ['--quiet', '--variant=minbase', '--aptopt=Acquire::Check-Valid-Until "false"', '--format=tar'];
    await run('mmdebstrap', [...options, `--include=${PACKAGES.join(',')}`, SUITE, tar]);
    const base = await readFile(tar);
    await rm(tar);
    // As Dockerfiles leave it: a layer of files on top, then one that removes parts of the base.
    const data = Array.from({ length: 200 }, (_, index) => ({
      name: `opt/data/table-${index}.csv`,
      content: Array.from({ length: 2000 }, (_, row) => `${row},${(row * 7919 + index) % 10007},${row / 7}`).join('\n')
    }));
    const removed = ['usr/share/doc', 'usr/share/man', 'usr/share/locale'].map(path => {
      const cut = path.lastIndexOf('/') + 1;
      return { name: `${path.slice(0, cut)}.wh.${path.slice(cut)}`, content: '' };
    });
    await writeOciLayout(temporary, {
      layers: [
        { tar: base },
        { entries: [{ name: 'opt/' }, { name: 'opt/data/' }, ...data] },
        { entries: [{ name: 'usr/' }, { name: 'usr/share/' }, ...removed] }
      ],
      config: { Cmd: ['python3'] }
    });
    await rename(temporary, layout);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return layout;
}

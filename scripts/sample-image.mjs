// SPDX-License-Identifier: BSD-3-Clause
/**
 * examples/images/sample.sif: a small Debian with python3, made from nothing but Debian packages.
 *
 * mmdebstrap makes the root file system as a tar stream, which becomes the one layer of an OCI layout in .cache/sample;
 * `nbcontainer pull` turns that into the SIF, as it would with an image from a registry.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { CACHE, ROOT, SetupError, capture, childEnv, fail, isMain, run, say, venvBin } from './house.mjs';
import { hashOf, once } from './stamp.mjs';

const LAYOUT = path.join(CACHE, 'sample');
const SIF = path.join(ROOT, 'examples', 'images', 'sample.sif');
const TAG = 'sample';
/** What a container never reads; half of the size. */
const LEFT_OUT = [
  '/usr/share/man/*',
  '/usr/share/doc/*',
  '/usr/share/locale/*',
  '/usr/share/info/*',
  '/usr/share/i18n/*',
  '/usr/lib/*/gconv/*'
];
const PACKAGES = ['python3'];

/** Debian's or Ubuntu's own name of the release this machine runs, and the architecture in OCI's words. */
function hostRelease() {
  const release = readFileSync('/etc/os-release', 'utf8');
  const suite = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(release)?.[1];
  const architecture = capture('dpkg', ['--print-architecture']);
  if (suite === undefined || architecture === undefined) {
    throw new SetupError('The sample image is made from Debian or Ubuntu packages; this machine has neither.');
  }
  return { suite, architecture };
}

/** A Transform that passes bytes on and knows their digest and number at the end. */
function meter() {
  const hash = createHash('sha256');
  const state = { size: 0, digest: '' };
  const stream = new Transform({
    transform(chunk, _encoding, done) {
      hash.update(chunk);
      state.size += chunk.length;
      done(null, chunk);
    },
    flush(done) {
      state.digest = hash.digest('hex');
      done();
    }
  });
  return { stream, state };
}

/** Runs mmdebstrap into a gzip layer; resolves to what the manifest and the config say of it. */
async function writeLayer(blobs, { suite }) {
  const args = ['--quiet', '--variant=essential', `--include=${PACKAGES.join(',')}`, '--format=tar'];
  args.push(...LEFT_OUT.map(glob => `--dpkgopt=path-exclude=${glob}`), suite, '-');
  const child = spawn('mmdebstrap', args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: childEnv({ PATH: process.env.PATH })
  });
  const exit = new Promise((resolve, reject) => child.once('error', reject).once('exit', resolve));
  exit.catch(() => undefined);
  const tar = meter();
  const gzip = meter();
  const temporary = path.join(blobs, '.layer');
  await pipeline(child.stdout, tar.stream, createGzip({ level: 4 }), gzip.stream, createWriteStream(temporary));
  const code = await exit.catch(error => {
    throw new SetupError(`mmdebstrap could not be started (${error.code}): apt-get install mmdebstrap`);
  });
  if (code !== 0) {
    throw new SetupError(`mmdebstrap failed (status ${code}); its message is above.`);
  }
  renameSync(temporary, path.join(blobs, gzip.state.digest));
  return { diffId: `sha256:${tar.state.digest}`, digest: `sha256:${gzip.state.digest}`, size: gzip.state.size };
}

function writeJson(blobs, value) {
  const text = JSON.stringify(value);
  const digest = createHash('sha256').update(text).digest('hex');
  writeFileSync(path.join(blobs, digest), text);
  return { digest: `sha256:${digest}`, size: Buffer.byteLength(text) };
}

/** Writes an OCI layout (image-spec 1.1) with one gzip layer, complete or not at all. */
async function writeLayout(release) {
  const temporary = `${LAYOUT}.new`;
  rmSync(temporary, { recursive: true, force: true });
  const blobs = path.join(temporary, 'blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  const layer = await writeLayer(blobs, release);
  const config = writeJson(blobs, {
    architecture: release.architecture,
    os: 'linux',
    config: {
      Env: [
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'LANG=C.UTF-8',
        'SAMPLE=made from Debian packages'
      ],
      Cmd: ['python3'],
      Labels: { 'org.opencontainers.image.title': 'nbcontainer sample' }
    },
    rootfs: { type: 'layers', diff_ids: [layer.diffId] },
    history: [{ created_by: `mmdebstrap ${release.suite} ${PACKAGES.join(' ')}` }]
  });
  const manifest = writeJson(blobs, {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: layer.digest, size: layer.size }]
  });
  writeFileSync(path.join(temporary, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  writeFileSync(
    path.join(temporary, 'index.json'),
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [
        {
          mediaType: 'application/vnd.oci.image.manifest.v1+json',
          ...manifest,
          annotations: { 'org.opencontainers.image.ref.name': TAG },
          platform: { architecture: release.architecture, os: 'linux' }
        }
      ]
    })
  );
  rmSync(LAYOUT, { recursive: true, force: true });
  renameSync(temporary, LAYOUT);
}

/** Makes the sample image when it is not there or its recipe changed; the OCI layout is kept for a later pull. */
export async function makeSampleImage() {
  const release = hostRelease();
  const hash = hashOf(['scripts/sample-image.mjs'], [release.suite, release.architecture]);
  await once(path.join(CACHE, 'stamps', 'sample-layout'), hash, [path.join(LAYOUT, 'index.json')], async () => {
    say(`Making the sample image from Debian packages (${release.suite}, about half a minute).`);
    await writeLayout(release);
  });
  await once(path.join(CACHE, 'stamps', 'sample-sif'), hash, [SIF], async () => {
    mkdirSync(path.dirname(SIF), { recursive: true });
    await run(venvBin('nbcontainer'), ['pull', '--force', SIF, `oci:${LAYOUT}:${TAG}`]);
    if (!existsSync(SIF)) {
      throw new SetupError(`nbcontainer pull said it was done but wrote no ${SIF}.`);
    }
  });
}

if (isMain(import.meta.url)) {
  await makeSampleImage().catch(fail);
}

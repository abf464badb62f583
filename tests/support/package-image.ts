// SPDX-License-Identifier: BSD-3-Clause
/**
 * An image to install packages in, offline: Debian with apt, pip, rpm and dnf, and with one small package of each kind
 * in a repository of its own below /srv. Made by mmdebstrap (network once, about a minute), kept in
 * .cache/package-image.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { REPOSITORY } from '../../platforms/build.ts';
import { writeOciLayout } from './oci-layout.ts';

const run = promisify(execFile);

const PACKAGES = ['adduser', 'python3-pip', 'rpm', 'dnf', 'createrepo-c'];
const LEFT_OUT = ['/usr/share/man/*', '/usr/share/doc/*', '/usr/share/locale/*', '/usr/share/info/*'];

/** Runs inside the new root: makes the three packages and their repositories. */
const SCRIPT = `#!/bin/bash
set -e
export HOME=/root
# deb: files of other owners, a setuid program, a system user that its script makes.
work=/srv/work/nbc-demo
mkdir -p $work/DEBIAN $work/usr/bin $work/var/lib/nbc-demo /srv/deb
printf 'Package: nbc-demo\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: tests <tests@example.org>\\nDepends: adduser\\nDescription: a package for tests\\n' > $work/DEBIAN/control
cat > $work/DEBIAN/postinst <<'POSTINST'
#!/bin/sh
set -e
adduser --system --group --no-create-home --quiet nbcdemo
chown -R nbcdemo:nbcdemo /var/lib/nbc-demo
chmod 2750 /var/lib/nbc-demo
POSTINST
chmod 755 $work/DEBIAN/postinst
printf '#!/bin/sh\\necho demo of deb\\n' > $work/usr/bin/nbc-demo
chmod 4755 $work/usr/bin/nbc-demo
echo data > $work/var/lib/nbc-demo/data
chown 1:2 $work/var/lib/nbc-demo/data
dpkg-deb -Zgzip --build $work /srv/deb/nbc-demo_1.0_all.deb
cd /srv/deb
printf 'Package: nbc-demo\\nVersion: 1.0\\nArchitecture: all\\nDepends: adduser\\nFilename: ./nbc-demo_1.0_all.deb\\nSize: %s\\nSHA256: %s\\nDescription: a package for tests\\n' \\
  $(stat -c %s nbc-demo_1.0_all.deb) $(sha256sum nbc-demo_1.0_all.deb | cut -d ' ' -f 1) > Packages
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/srv/deb ./' > /etc/apt/sources.list
# rpm: the same, and file capabilities. Debian's rpm keeps its database in the home directory; distributions do not.
mkdir -p /etc/rpm /srv/rpm /etc/yum.repos.d
echo '%_dbpath /var/lib/rpm' > /etc/rpm/macros.dbpath
echo '%_dbpath /var/lib/rpm' >> /etc/rpm/macros
cat > /srv/work/nbc-demo.spec <<'SPEC'
Name: nbc-rpm-demo
Version: 1.0
Release: 1
Summary: a package for tests
License: BSD
BuildArch: noarch
AutoReqProv: no
Provides: /bin/sh
%description
A package for tests.
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/etc %{buildroot}/var/lib/nbc-rpm-demo
echo '#!/bin/sh' > %{buildroot}/usr/bin/nbc-rpm-demo
echo 'echo demo of rpm' >> %{buildroot}/usr/bin/nbc-rpm-demo
echo secret > %{buildroot}/etc/nbc-rpm-demo.conf
%pre
/usr/sbin/groupadd -r nbcrpm
/usr/sbin/useradd -r -g nbcrpm -d /var/lib/nbc-rpm-demo -s /usr/sbin/nologin nbcrpm
%files
%attr(0755, root, root) %caps(cap_net_raw=p) /usr/bin/nbc-rpm-demo
%attr(0640, root, nbcrpm) /etc/nbc-rpm-demo.conf
%attr(2750, nbcrpm, nbcrpm) %dir /var/lib/nbc-rpm-demo
SPEC
rpmbuild -bb --define '_topdir /srv/work/rpm' --define '_rpmdir /srv/rpm' /srv/work/nbc-demo.spec
createrepo_c -q /srv/rpm
printf '[local]\\nname=local\\nbaseurl=file:///srv/rpm\\ngpgcheck=0\\nenabled=1\\n' > /etc/yum.repos.d/local.repo
mkdir -p /var/lib/rpm && rpm --initdb
# wheel
mkdir -p /srv/wheels && cd /srv/wheels
python3 - <<'WHEEL'
import zipfile
with zipfile.ZipFile('nbc_demo-1.0-py3-none-any.whl', 'w') as wheel:
    wheel.writestr('nbc_demo.py', 'def main():\\n    print("demo of wheel")\\n')
    info = 'nbc_demo-1.0.dist-info/'
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: nbc-demo\\nVersion: 1.0\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'entry_points.txt', '[console_scripts]\\nnbc-wheel-demo = nbc_demo:main\\n')
    names = ['nbc_demo.py', info + 'METADATA', info + 'WHEEL', info + 'entry_points.txt', info + 'RECORD']
    wheel.writestr(info + 'RECORD', ''.join(name + ',,\\n' for name in names))
WHEEL
rm -rf /srv/work /root/* /root/.rpmdb /var/cache/apt/archives/*.deb /var/lib/apt/lists/* /var/cache/dnf/*
`;

/**
 * `oci:` reference of the image; made when it is not there or its recipe changed.
 * @throws Error with mmdebstrap's message.
 */
export async function packageImage(): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8');
  const suite = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(release)?.[1] ?? 'stable';
  const recipe = createHash('sha256')
    .update(JSON.stringify([suite, PACKAGES, LEFT_OUT, SCRIPT]))
    .digest('hex')
    .slice(0, 16);
  const parent = join(REPOSITORY, '.cache', 'package-image');
  const folder = join(parent, recipe);
  if (!existsSync(folder)) {
    const temporary = `${folder}.${process.pid}`;
    try {
      await mkdir(temporary, { recursive: true });
      await make(suite, temporary);
      await rename(join(temporary, 'layout'), folder).catch((error: unknown) => {
        if (!existsSync(folder)) {
          throw error; // otherwise another test was faster
        }
      });
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }
  return `oci:${folder}:latest`;
}

async function make(suite: string, temporary: string): Promise<void> {
  const script = join(temporary, 'setup');
  const tar = join(temporary, 'root.tar');
  await writeFile(script, SCRIPT);
  // As root in a mount namespace of its own: its /proc below /tmp would be seen by every stand-in that starts meanwhile.
  const [program = '', ...first] = process.getuid?.() === 0 ? ['unshare', '--mount', 'mmdebstrap'] : ['mmdebstrap'];
  await run(program, [
    ...first,
    '--quiet',
    '--variant=apt',
    `--include=${PACKAGES.join(',')}`,
    '--format=tar',
    '--aptopt=APT::Install-Recommends "false"',
    '--dpkgopt=force-unsafe-io',
    ...LEFT_OUT.map(glob => `--dpkgopt=path-exclude=${glob}`),
    `--customize-hook=upload ${script} /srv/setup`,
    '--customize-hook=chroot "$1" /bin/bash /srv/setup',
    '--customize-hook=rm "$1/srv/setup"',
    suite,
    tar
  ]);
  await writeOciLayout(join(temporary, 'layout'), {
    layers: [{ tar: await readFile(tar), compression: 'none' }],
    config: { Cmd: ['bash'], Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'] }
  });
}

// SPDX-License-Identifier: BSD-3-Clause
import jupyter from '@jupyter/eslint-plugin';
import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/**
 * The floors of lib-runtime (docs/architecture.md): an import goes down, or sideways where `right` says so.
 */
const FLOORS = [
  ['support', 'api'],
  ['formats'],
  ['registry', 'host'],
  ['store'],
  ['images'],
  ['run', 'engines'],
  ['sessions', 'build', 'handoff'],
  ['cli', 'daemon']
];
/** Within a floor, left may import right. */
function forbidden() {
  const zones = [];
  FLOORS.forEach((rooms, floor) => {
    rooms.forEach((room, column) => {
      const above = FLOORS.slice(floor + 1).flat();
      const left = rooms.slice(0, column);
      for (const other of [...above, ...left]) {
        zones.push({
          target: `./lib-runtime/${room}`,
          from: `./lib-runtime/${other}`,
          message: `${room}/ may not import ${other}/: imports go down the floors (docs/architecture.md).`
        });
      }
    });
  });
  zones.push({ target: './lib-runtime', from: './src', message: 'The runtime does not know the front end.' });
  zones.push({
    target: './src',
    from: './lib-runtime',
    except: ['./api'],
    message: 'The front end sees the runtime only through lib-runtime/api.'
  });
  return zones;
}

export default tseslint.config(
  {
    ignores: [
      'lib/**',
      'node_modules/**',
      '.venv/**',
      '.cache/**',
      'nbcontainer/labextension/**',
      'nbcontainer/runtime/**',
      '**/test-results/**'
    ]
  },
  ...tseslint.configs.strict,
  { plugins: { jupyter } },
  {
    files: ['src/**/*.ts', 'src/**/*.tsx'],
    rules: jupyter.configs.recommended.rules ?? {}
  },
  {
    files: ['**/*.ts', '**/*.tsx', '**/*.mjs'],
    plugins: { 'import-x': importX },
    settings: {
      'import-x/extensions': ['.ts', '.tsx', '.mjs'],
      'import-x/resolver-next': [importX.createNodeResolver({ extensions: ['.ts', '.tsx', '.mjs', '.js'] })]
    },
    rules: {
      'import-x/no-restricted-paths': ['error', { zones: forbidden() }],
      'import-x/no-cycle': ['error', { maxDepth: 4 }],
      curly: 'error',
      eqeqeq: 'error',
      'no-console': 'error',
      'max-lines': ['error', { max: 450, skipBlankLines: true, skipComments: true }],
      '@typescript-eslint/naming-convention': [
        'error',
        { selector: 'interface', format: ['PascalCase'], custom: { regex: '^I[A-Z]', match: true } }
      ],
      '@typescript-eslint/no-non-null-assertion': 'error'
    }
  },
  { files: ['scripts/**', 'bench/**'], rules: { 'no-console': 'off' } }
);

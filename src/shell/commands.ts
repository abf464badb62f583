// SPDX-License-Identifier: BSD-3-Clause
/** The commands of shells; those for menus of a tab act on the tab that was hit, else on the current one. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { TranslationBundle } from '@jupyterlab/translation';
import { clearIcon, copyIcon, editIcon, pasteIcon, searchIcon, stopIcon } from '@jupyterlab/ui-components';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { CommandIDs } from '../commands.ts';
import { containerIcon } from '../icons.ts';
import type { ISettings } from '../settings.ts';
import type { IContainers } from '../tokens.ts';
import type { ShellTabs } from './tabs.ts';
import type { ShellView } from './view.ts';

export interface IShellCommandsOptions {
  readonly app: JupyterFrontEnd;
  readonly containers: IContainers;
  readonly settings: ISettings;
  readonly tabs: ShellTabs;
  readonly trans: TranslationBundle;
  /** The folder that the file browser shows, as a path of the server; undefined where it has none. */
  folder(): string | undefined;
}

/** In the menus of a tab only: the palette has no tab to act on. */
const TabCommandIDs = {
  copy: 'nbcontainer:copy-shell',
  paste: 'nbcontainer:paste-shell',
  search: 'nbcontainer:search-shell',
  clear: 'nbcontainer:clear-shell'
} as const;

const ID = { type: 'string', description: 'Id of a shell; without it the current tab is meant' } as const;
const MENU = { type: 'boolean', description: 'The tab under the pointer is meant' } as const;

const OPEN_ARGS = {
  type: 'object',
  properties: {
    image: { type: 'string', description: 'Name of the store, reference, or path on the server' },
    path: { type: 'string', description: 'A .sif file, as the file browser names it' },
    options: { type: 'object', description: 'How the container is started: RunOptions of the API' },
    command: { type: 'array', items: { type: 'string' }, description: 'In place of the shell of the image' },
    name: { type: 'string', description: 'What the tab is called' },
    id: { type: ['string', 'null'], description: 'Id of a shell that was started before: it is shown' },
    tab: { type: 'string', description: 'Name of a tab that is restored' },
    isLauncher: { type: 'boolean', description: 'For a card of the launcher' }
  }
} as const;

/** Adds them all. */
export function addShellCommands(options: IShellCommandsOptions): void {
  const { app, containers, tabs, trans } = options;
  const { commands } = app;

  const idOf = (args: ReadonlyPartialJSONObject): string | undefined => {
    if (typeof args['id'] === 'string') {
      return args['id'];
    }
    const hit = args['menu'] === true ? app.contextMenuHitTest(isShellTab)?.dataset['nbcontainerTab'] : undefined;
    return hit ?? tabs.current?.shellId;
  };
  const isRunning = (args: ReadonlyPartialJSONObject): boolean => {
    const id = idOf(args);
    return id !== undefined && containers.shells.find(shell => shell.id === id)?.state !== 'ended';
  };

  commands.addCommand(CommandIDs.openShell, {
    label: args => (args['isLauncher'] === true ? trans.__('Container Shell') : trans.__('New Container Shell…')),
    caption: trans.__('Open a shell in a container'),
    icon: containerIcon,
    describedBy: { args: OPEN_ARGS },
    isVisible: () => containers.shellsAllowed,
    isEnabled: () => containers.shellsAllowed,
    execute: async args => (await import('./open.ts')).openShell(options, args)
  });
  commands.addCommand(CommandIDs.renameShell, {
    label: trans.__('Rename Shell…'),
    icon: args => (args['menu'] === true ? editIcon : undefined),
    describedBy: {
      args: {
        type: 'object',
        properties: { id: ID, name: { type: 'string', description: 'The new name; asked for otherwise' }, menu: MENU }
      }
    },
    isEnabled: args => idOf(args) !== undefined,
    execute: async args => (await import('./open.ts')).renameShell(options, idOf(args), args['name'])
  });
  commands.addCommand(CommandIDs.stopShell, {
    label: args => (isRunning(args) ? trans.__('Stop Shell') : trans.__('Forget Shell')),
    icon: args => (args['menu'] === true ? stopIcon : undefined),
    describedBy: {
      args: {
        type: 'object',
        properties: {
          id: ID,
          ask: { type: 'boolean', description: 'False: without asking, whatever the settings say' },
          menu: MENU
        }
      }
    },
    isEnabled: args => idOf(args) !== undefined,
    execute: async args => (await import('./open.ts')).stopShell(options, idOf(args), args['ask'] !== false)
  });

  const onCurrent = (
    id: string,
    label: string,
    icon: typeof copyIcon,
    run: (view: ShellView) => void | Promise<void>,
    isEnabled: (view: ShellView) => boolean = () => true
  ): void => {
    commands.addCommand(id, {
      label,
      icon,
      describedBy: { args: { type: 'object', additionalProperties: false, properties: {} } },
      isEnabled: () => tabs.current !== undefined && isEnabled(tabs.current),
      execute: () => tabs.current && run(tabs.current)
    });
  };
  onCurrent(
    TabCommandIDs.copy,
    trans.__('Copy'),
    copyIcon,
    view => view.copy(),
    view => view.hasSelection
  );
  onCurrent(TabCommandIDs.paste, trans.__('Paste'), pasteIcon, async view =>
    (await import('./open.ts')).pasteInto(view, trans)
  );
  onCurrent(TabCommandIDs.search, trans.__('Find…'), searchIcon, view => view.openSearch());
  onCurrent(TabCommandIDs.clear, trans.__('Clear Lines Above'), clearIcon, view => view.clear());
}

function isShellTab(node: HTMLElement): boolean {
  return node.dataset['nbcontainerTab'] !== undefined;
}

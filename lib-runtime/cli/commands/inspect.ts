// SPDX-License-Identifier: BSD-3-Clause
/** inspect: what an image says of itself, in Apptainer's forms. */
import type { IInspectAttributes } from '../../images/convention.ts';
import { inspectImage } from '../../images/inspect.ts';
import { openImage } from '../../images/open.ts';
import { openStore } from '../../store/store.ts';
import { print } from '../output.ts';

interface IValues {
  readonly labels?: boolean;
  readonly deffile?: boolean;
  readonly runscript?: boolean;
  readonly startscript?: boolean;
  readonly test?: boolean;
  readonly environment?: boolean;
  readonly helpfile?: boolean;
  readonly json?: boolean;
  readonly all?: boolean;
  readonly app?: string;
  readonly listApps?: boolean;
}

/** Without a flag: the labels, sorted. `--all` is JSON, as in Apptainer. `--app` shows an app in the image's place. */
export async function inspectCommand(imageName: string, values: IValues): Promise<number> {
  const store = await openStore();
  const image = await openImage(imageName, { store, pull: false });
  const { attributes: whole } = await inspectImage(image);
  // An empty name is that of no app, and what shows every app shows no single one.
  const app = values.all || (values.listApps && values.json) ? undefined : values.app || undefined;
  const attributes: IInspectAttributes = app === undefined ? whole : (whole.apps?.[app] ?? {});
  const texts = ['deffile', 'runscript', 'startscript', 'test', 'helpfile'] as const;
  const chosen = texts.filter(key => values.all || values[key]);
  const wantEnvironment = Boolean(values.all || values.environment);
  const wantLabels = Boolean(
    values.all || values.labels || (chosen.length === 0 && !wantEnvironment && !values.listApps)
  );
  if (values.json || values.all) {
    const shown = {
      ...((values.all || values.listApps) && whole.apps && app === undefined && { apps: whole.apps }),
      ...Object.fromEntries(chosen.map(key => [key, attributes[key]])),
      ...(wantEnvironment && { environment: attributes.environment }),
      ...(wantLabels && { labels: attributes.labels })
    };
    const named = app === undefined ? shown : whole.apps?.[app] === undefined ? {} : { apps: { [app]: shown } };
    print(JSON.stringify({ data: { attributes: named }, type: 'container' }, null, '\t'));
    return 0;
  }
  if (values.listApps) {
    Object.keys(whole.apps ?? {})
      .sort()
      .forEach(print);
  }
  for (const key of chosen) {
    const text = attributes[key];
    if (text) {
      print(text);
    }
  }
  if (wantEnvironment) {
    for (const [path, text] of Object.entries(attributes.environment ?? {})) {
      print(`=== /${path.replace(/^\/?(?=\.singularity\.d\/|scif\/)/, '')} ===\n${text}\n\n`);
    }
  }
  if (wantLabels) {
    const labels = Object.entries(attributes.labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [name, value] of labels) {
      print(`${name}: ${value}`);
    }
  }
  return 0;
}

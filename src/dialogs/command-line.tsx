// SPDX-License-Identifier: BSD-3-Clause
/** A line of the command line that can be copied. */
import { Clipboard } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { quoteLine } from '../../lib-runtime/api/command-line.ts';

interface ICommandLineProps {
  readonly label: string;
  readonly words: readonly string[];
  /** False while the line would not run. */
  readonly usable: boolean;
  readonly trans: TranslationBundle;
}

export function CommandLine({ label, words, usable, trans }: ICommandLineProps): React.JSX.Element {
  const line = quoteLine(words);
  const [copied, setCopied] = React.useState('');
  return (
    <div className="jp-nbcontainer-CommandLine">
      <div className="jp-nbcontainer-CommandLineHead">
        <span id="jp-nbcontainer-line-label">{label}</span>
        <button
          type="button"
          className="jp-nbcontainer-Small"
          disabled={!usable}
          onClick={() => {
            Clipboard.copyToSystem(line);
            setCopied(line);
          }}
        >
          {trans.__('Copy')}
        </button>
        <span role="status">{copied === line && usable ? trans.__('Copied.') : ''}</span>
      </div>
      <code aria-labelledby="jp-nbcontainer-line-label" tabIndex={0} role="textbox" aria-readonly="true">
        {words.map((word, at) => (
          // Lines are broken between words: an option's two dashes would otherwise stay behind.
          <React.Fragment key={at}>
            {at === 0 ? '' : ' '}
            <span>{quoteLine([word])}</span>
          </React.Fragment>
        ))}
      </code>
    </div>
  );
}

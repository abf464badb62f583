// SPDX-License-Identifier: BSD-3-Clause
/** Above the sections: what is wrong with the connection, and the way to try again. */
import * as React from 'react';
import type { IPanelContext } from './context.ts';
import { Button, useContainers } from './parts.tsx';

export function BannerView({ context }: { readonly context: IPanelContext }): React.JSX.Element | null {
  useContainers(context, 'state');
  const { containers, trans } = context;
  if (containers.state !== 'offline') {
    return null;
  }
  return (
    <div className="jp-nbcontainer-Banner" role="alert">
      <div>
        <strong>{trans.__('Not connected')}</strong>
        <p>{sentence(containers.problem ?? trans.__('The container daemon does not answer'))}</p>
        <p>{trans.__('It is tried again and again; what is listed is as it was last seen.')}</p>
      </div>
      <Button label={trans.__('Try now')} onClick={() => containers.retry()} />
    </div>
  );
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

// SPDX-License-Identifier: BSD-3-Clause
/** Puts the views into the panel. Nothing of this, nor of what it imports, is in the page before the panel is shown. */
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';
import { BannerView } from './banner-view.tsx';
import type { IPanelContext } from './context.ts';
import { GpuView } from './gpu-view.tsx';
import { GpuWatch } from './gpu-watch.ts';
import { ImagesView } from './images-view.tsx';
import type { ContainerPanel } from './panel.ts';
import { PullsView, REFERENCE_BOX } from './pulls-view.tsx';
import { RunningView } from './running-view.tsx';

export { addRowCommands } from './row-commands.ts';

export function fillPanel(panel: ContainerPanel, context: IPanelContext): void {
  const askForPull = (): void => {
    panel.unfold('pulls');
    document.getElementById(REFERENCE_BOX)?.focus();
  };
  panel.addBanner(ReactWidget.create(<BannerView context={context} />));
  panel.section('images')?.addWidget(view(<ImagesView context={context} askForPull={askForPull} />));
  panel.section('pulls')?.addWidget(view(<PullsView context={context} />));
  panel.section('running')?.addWidget(view(<RunningView context={context} />));

  const watch = new GpuWatch(context, () => panel.section('gpu')?.isVisible === true);
  watch.changed.connect(() => {
    if ((watch.status?.gpus.length ?? 0) === 0) {
      panel.hideSection('gpu');
    } else if (!panel.section('gpu')) {
      panel.showSection('gpu', context.trans.__('GPU'), view(<GpuView context={context} source={watch} />));
    }
  }, watch);
  panel.disposed.connect(() => watch.dispose());
}

function view(element: React.JSX.Element): ReactWidget {
  const widget = ReactWidget.create(element);
  widget.addClass('jp-nbcontainer-View');
  return widget;
}

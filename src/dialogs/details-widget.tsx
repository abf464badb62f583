// SPDX-License-Identifier: BSD-3-Clause
/** The details of an image as a widget, and as a tab. */
import { MainAreaWidget, ReactWidget } from '@jupyterlab/apputils';
import * as React from 'react';
import { sifIcon } from '../icons.ts';
import { shortName } from '../panel/format.ts';
import { DetailsView, type IDetailsProps } from './details-view.tsx';

export class DetailsContent extends ReactWidget {
  constructor(props: IDetailsProps) {
    super();
    this.addClass('jp-nbcontainer-DetailsContent');
    this.node.tabIndex = -1;
    this._props = props;
  }

  /** The name, reference or path that it is about. */
  get image(): string | undefined {
    return this._props.image;
  }

  showImage(props: IDetailsProps): void {
    this._props = props;
    this.update();
  }

  protected override render(): React.JSX.Element {
    return <DetailsView {...this._props} />;
  }

  private _props: IDetailsProps;
}

export function createDetailsWidget(
  props: Omit<IDetailsProps, 'args' | 'title'> & { readonly image: string }
): MainAreaWidget<DetailsContent> {
  const { image } = props;
  const content = new DetailsContent({ ...props, args: { image }, title: shortName(image) });
  const widget = new MainAreaWidget({ content });
  widget.id = `jp-nbcontainer-details-${encodeURIComponent(image)}`;
  widget.title.label = shortName(image);
  widget.title.caption = image;
  widget.title.icon = sifIcon;
  widget.title.closable = true;
  // Its buttons are in the view.
  widget.toolbar.hide();
  return widget;
}

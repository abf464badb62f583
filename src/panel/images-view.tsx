// SPDX-License-Identifier: BSD-3-Clause
/** The images of the store. */
import { deleteIcon, infoIcon, runIcon, terminalIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { Image } from '../../lib-runtime/api/schema.ts';
import { CommandIDs } from '../commands.ts';
import type { IPanelContext } from './context.ts';
import { formatAge, formatBytes, searchImages, shortDigest, shortName } from './format.ts';
import { Button, ImageName, Notice, RowButton, useContainers, useNow, waitingNotice } from './parts.tsx';

interface IImagesViewProps {
  readonly context: IPanelContext;
  /** Shows the box of the Pulls section with the caret in it. */
  readonly askForPull: () => void;
}

export function ImagesView({ context, askForPull }: IImagesViewProps): React.JSX.Element {
  useContainers(context, 'images');
  const [question, setQuestion] = React.useState('');
  const now = useNow(60_000, true);
  const { containers, trans } = context;
  const { images } = containers;
  if (images === undefined || (images.length === 0 && containers.state === 'offline')) {
    return waitingNotice(context) ?? <Notice text={trans.__('Loading…')} />;
  }
  if (images.length === 0) {
    return (
      <Notice text={trans.__('No images yet. Pull one, or right-click a .sif file in the file browser.')}>
        <Button label={trans.__('Pull an image')} onClick={askForPull} />
      </Notice>
    );
  }
  const found = searchImages(images, question);
  return (
    <>
      <div className="jp-nbcontainer-SearchBox">
        <input
          type="search"
          className="jp-mod-styled"
          placeholder={trans.__('Search images')}
          aria-label={trans.__('Search images')}
          value={question}
          onChange={event => setQuestion(event.currentTarget.value)}
        />
      </div>
      {found.length === 0 ? (
        <Notice text={trans.__('No image matches.')}>
          <Button label={trans.__('Show all')} onClick={() => setQuestion('')} />
        </Notice>
      ) : (
        <ul className="jp-nbcontainer-List" aria-label={trans.__('Images')}>
          {found.map(image => (
            <ImageRow key={image.name} context={context} image={image} now={now} />
          ))}
        </ul>
      )}
      <div className="jp-nbcontainer-Spoken" role="status">
        {question === '' ? '' : trans._n('%1 image matches', '%1 images match', found.length)}
      </div>
    </>
  );
}

interface IImageRowProps {
  readonly context: IPanelContext;
  readonly image: Image;
  readonly now: number;
}

function ImageRow({ context, image, now }: IImageRowProps): React.JSX.Element {
  const { trans, containers } = context;
  const name = shortName(image.name);
  const digest = shortDigest(image);
  const args = { image: image.name };
  const button = { context, args, subject: name };
  return (
    <li
      className="jp-nbcontainer-Row jp-nbcontainer-ImageRow"
      data-nbcontainer-image={image.name}
      title={[image.name, image.manifestDigest, image.path].filter(Boolean).join('\n')}
    >
      <div className="jp-nbcontainer-RowText">
        <ImageName name={image.name} />
        <div className="jp-nbcontainer-RowFacts">
          <span>{formatBytes(image.sizeBytes)}</span>
          <span>{formatAge(Date.parse(image.createdAt), now, trans)}</span>
          {digest !== undefined && <span className="jp-nbcontainer-Digest">{digest}</span>}
        </div>
      </div>
      <div className="jp-nbcontainer-RowButtons">
        <RowButton {...button} command={CommandIDs.runImage} icon={runIcon} label={trans.__('Run…')} />
        {containers.shellsAllowed && (
          <RowButton {...button} command={CommandIDs.openShell} icon={terminalIcon} label={trans.__('Open shell')} />
        )}
        <RowButton {...button} command={CommandIDs.showDetails} icon={infoIcon} label={trans.__('Details')} />
        <RowButton {...button} command={CommandIDs.removeImage} icon={deleteIcon} label={trans.__('Remove…')} />
      </div>
    </li>
  );
}

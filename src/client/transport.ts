// SPDX-License-Identifier: BSD-3-Clause
/** The daemon's transport in a page of Jupyter: our server extension, with Jupyter's own settings and cookies. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { type IChannel, type IChannelHandlers, webSocketChannel } from '../../lib-runtime/api/channel.ts';
import type { IAnswer, ITransport } from '../../lib-runtime/api/client.ts';
import { API_HEADER, API_VERSION } from '../../lib-runtime/api/routes.ts';

/** Of the server extension (nbcontainer/serverextension.py). */
const API = 'nbcontainer/api';

export class JupyterTransport implements ITransport {
  constructor(settings: ServerConnection.ISettings) {
    this._settings = settings;
  }

  async request(method: string, path: string, body: unknown): Promise<IAnswer> {
    return this._ask(method, `daemon${path}`, body);
  }

  /** What the server extension says of itself, whether or not a daemon runs. */
  async server(): Promise<IAnswer> {
    return this._ask('GET', 'version', undefined);
  }

  open(path: string, handlers: IChannelHandlers): IChannel {
    const { wsUrl, token, appendToken, WebSocket } = this._settings;
    const query = appendToken && token !== '' ? `?token=${encodeURIComponent(token)}` : '';
    const socket = new WebSocket(`${URLExt.join(wsUrl, API, 'daemon', path)}${query}`);
    return webSocketChannel(socket, handlers);
  }

  private async _ask(method: string, path: string, body: unknown): Promise<IAnswer> {
    const response = await ServerConnection.makeRequest(
      URLExt.join(this._settings.baseUrl, API, path),
      {
        method,
        headers: { [API_HEADER]: String(API_VERSION) },
        ...(body !== undefined && { body: JSON.stringify(body) })
      },
      this._settings
    );
    const text = await response.text();
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch {
      // A proxy's page, or no server extension: the status says what there is to say.
    }
    return { status: response.status, body: parsed };
  }

  private _settings: ServerConnection.ISettings;
}

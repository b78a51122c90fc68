// Images, sound and files of a message: where their bytes are, and what they are. Knows the request's parts; no wire, no network:
// an address is handed to the provider or refused, never fetched from here.
import type { ContentPart } from '../core/chat.ts';
import type { Reader } from './translate.ts';

export interface Media {
  kind: 'image' | 'audio' | 'file';
  source: MediaSource;
  /** Of a file, as its user knows it. */
  filename?: string;
  /** Of an image: how closely to look. */
  detail?: string;
}

export type MediaSource =
  /** Base64, without its data URI. */
  | { from: 'data'; data: string; mediaType: string }
  /** `mediaType` as the address's ending suggests it. */
  | { from: 'url'; url: string; mediaType: string | undefined }
  /** An upload at the provider. */
  | { from: 'id'; id: string };

type MediaPart = Extract<ContentPart, { type: 'image_url' | 'input_audio' | 'file' }>;

export function mediaOf(part: MediaPart, param: string, reader: Reader): Media {
  switch (part.type) {
    case 'image_url': {
      const { url, detail } = part.image_url;
      const source = addressOf(url, `${param}.image_url.url`, reader);
      return { kind: 'image', source, ...(detail && { detail }) };
    }
    case 'input_audio': {
      const { data, format } = part.input_audio;
      const mediaType = TYPES[format.toLowerCase()] ?? `audio/${format.toLowerCase()}`;
      return { kind: 'audio', source: { from: 'data', data, mediaType } };
    }
    case 'file': {
      const { filename } = part.file;
      return { kind: 'file', source: fileSource(part.file, `${param}.file`, reader), ...(filename && { filename }) };
    }
    default:
      return part satisfies never;
  }
}

type FileFields = Extract<MediaPart, { type: 'file' }>['file'];

function fileSource(
  { file_data, file_url, file_id, filename }: FileFields,
  param: string,
  reader: Reader,
): MediaSource {
  if (file_id) return { from: 'id', id: file_id };
  if (file_url) return addressOf(file_url, `${param}.file_url`, reader);
  if (!file_data) return reader.refuse(param, 'expected file_data, file_url or file_id');
  if (/^[a-z][a-z0-9+.-]*:/i.test(file_data.slice(0, 32))) return addressOf(file_data, `${param}.file_data`, reader);
  const mediaType = filename ? typeByEnding(filename) : undefined;
  if (!mediaType)
    return reader.refuse(`${param}.file_data`, 'expected a data URI, or a filename whose ending tells the type');
  return { from: 'data', data: file_data, mediaType };
}

function addressOf(url: string, param: string, reader: Reader): MediaSource {
  if (/^data:/i.test(url.slice(0, 5))) return dataOf(url, param, reader);
  if (/^(https?|gs|s3):\/\/\S/i.test(url.slice(0, 16))) return { from: 'url', url, mediaType: typeByEnding(url) };
  return reader.refuse(param, 'expected an address (https://…) or a data URI (data:image/png;base64,…)');
}

/** https://www.rfc-editor.org/rfc/rfc2397 */
function dataOf(url: string, param: string, reader: Reader): MediaSource {
  const comma = url.slice(0, 256).indexOf(',');
  const head = url.slice(5, comma).toLowerCase().split(';');
  const named = head[0]!.trim();
  const mediaType = named === 'image/jpg' ? 'image/jpeg' : named;
  if (comma === -1 || !/^[\w.+-]+\/[\w.+-]+$/.test(mediaType)) {
    return reader.refuse(param, 'expected a data URI with a media type: data:image/png;base64,…');
  }
  const data = url.slice(comma + 1);
  if (data === '') return reader.refuse(param, 'the data URI is empty');
  if (head.includes('base64')) return { from: 'data', data, mediaType };
  let text: string;
  try {
    text = decodeURIComponent(data);
  } catch {
    return reader.refuse(param, 'the data URI is neither base64 nor percent-encoded');
  }
  return { from: 'data', data: Buffer.from(text).toString('base64'), mediaType };
}

/** What the wires in use accept; others are named by their data URI. */
const TYPES: Record<string, string> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  heic: 'image/heic',
  heif: 'image/heif',
  wav: 'audio/wav',
  mp3: 'audio/mpeg',
  flac: 'audio/flac',
  ogg: 'audio/ogg',
  m4a: 'audio/mp4',
  aac: 'audio/aac',
  mp4: 'video/mp4',
  mov: 'video/quicktime',
  webm: 'video/webm',
  pdf: 'application/pdf',
  txt: 'text/plain',
  md: 'text/markdown',
  csv: 'text/csv',
  html: 'text/html',
  json: 'application/json',
  xml: 'application/xml',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  doc: 'application/msword',
  xls: 'application/vnd.ms-excel',
};

function typeByEnding(name: string): string | undefined {
  const ending = /\.([a-z0-9]{1,5})(?:[?#].*)?$/i.exec(name.slice(-512))?.[1];
  return ending ? TYPES[ending.toLowerCase()] : undefined;
}

// Images, documents, sound and film as content blocks: the bytes themselves, or where they lie in S3; the API fetches nothing else.
// Knows media and the API's names for formats; no conversation.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html
import type { Media, MediaSource } from '../media.ts';
import type { Reader } from '../translate.ts';

/** By media type; what is not here is tried by its subtype. Text of any kind is text to a model. */
const DOCUMENTS: Record<string, string> = {
  'application/pdf': 'pdf',
  'text/csv': 'csv',
  'text/html': 'html',
  'text/markdown': 'md',
  'text/plain': 'txt',
  'application/json': 'txt',
  'application/xml': 'txt',
  'application/msword': 'doc',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/vnd.ms-excel': 'xls',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
};
const IMAGES: Record<string, string> = { png: 'png', jpeg: 'jpeg', gif: 'gif', webp: 'webp' };
const SOUNDS: Record<string, string> = {
  mpeg: 'mp3',
  mp3: 'mp3',
  wav: 'wav',
  'x-wav': 'wav',
  flac: 'flac',
  ogg: 'ogg',
  opus: 'opus',
  aac: 'aac',
  mp4: 'm4a',
  webm: 'webm',
  pcm: 'pcm',
  pcm16: 'pcm',
};
const FILMS: Record<string, string> = {
  mp4: 'mp4',
  quicktime: 'mov',
  webm: 'webm',
  'x-matroska': 'mkv',
  mpeg: 'mpeg',
  'x-flv': 'flv',
  'x-ms-wmv': 'wmv',
  '3gpp': 'three_gp',
};

export function blockOf(media: Media, param: string, reader: Reader, names: DocumentNames): object {
  const { source, detail, filename } = media;
  if (source.from === 'id') {
    return reader.refuse(param, 'uploads at a provider cannot be used here; expected bytes or an s3:// address');
  }
  if (source.from === 'url' && !/^s3:/i.test(source.url)) {
    return reader.refuse(param, 'the provider fetches nothing from the web; expected a data URI or an s3:// address');
  }
  if (detail && detail !== 'auto') reader.drop('image_url.detail');
  const mediaType = source.mediaType ?? (media.kind === 'file' ? undefined : `${media.kind}/`);
  if (mediaType === undefined) {
    return reader.refuse(param, 'the type cannot be told; expected an address that ends like .pdf');
  }
  const [kind, subtype = ''] = mediaType.split('/', 2);
  const place = placeOf(source);
  switch (kind) {
    case 'image':
      return { image: { format: formatOf(subtype, IMAGES, param, reader), source: place } };
    case 'audio':
      return { audio: { format: formatOf(subtype, SOUNDS, param, reader), source: place } };
    case 'video':
      return { video: { format: formatOf(subtype, FILMS, param, reader), source: place } };
    default: {
      const format = DOCUMENTS[mediaType] ?? (kind === 'text' ? 'txt' : undefined);
      if (!format) return reader.refuse(param, `${mediaType} is not a type of document that the provider reads`);
      return { document: { format, name: names(filename), source: place } };
    }
  }
}

function formatOf(subtype: string, formats: Record<string, string>, param: string, reader: Reader): string {
  return formats[subtype] ?? reader.refuse(param, `expected one of ${[...new Set(Object.values(formats))].join(', ')}`);
}

function placeOf(source: Exclude<MediaSource, { from: 'id' }>): object {
  return source.from === 'data' ? { bytes: source.data } : { s3Location: { uri: source.url } };
}

export type DocumentNames = (filename: string | undefined) => string;

/** The API takes few characters in a name, and each name once in a request. */
export function createDocumentNames(): DocumentNames {
  const given = new Set<string>();
  return (filename = '') => {
    const name =
      filename
        .replace(/\.[a-z0-9]{1,5}$/i, '')
        .normalize('NFKD')
        .replace(/\p{M}/gu, '') // accents, now apart from their letters
        .replace(/[^\w\s()[\]-]|_/g, ' ')
        .replace(/\s+/g, ' ')
        .trim()
        .slice(0, 180)
        .trim() || 'document';
    let unique = name;
    for (let count = 2; given.has(unique); count++) unique = `${name} (${count})`;
    given.add(unique);
    return unique;
  };
}

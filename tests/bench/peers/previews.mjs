// Previews as a team on Node would make them: sharp decodes once, the small picture is made from the large one, and the
// ThumbHash from the small one. Reads one JSON line for each picture from standard input and answers with one line.
import { writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import sharp from "sharp";
import { rgbaToThumbHash } from "thumbhash";

const [effort] = process.argv.slice(2).map(Number);
const webp = { quality: 80, effort };
const HASH_EDGE = 100; // what the package takes

sharp.cache(false); // a customer's picture comes once
sharp.concurrency(1); // threads for one picture cost CPU time; two pictures at once keep two cores busy

const pixels = ({ data, info }) => sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } });
const inside = (image, edge) => image.resize(edge, edge, { fit: "inside", withoutEnlargement: true });
const raw = (image) => image.raw().toBuffer({ resolveWithObject: true });

async function previews({ source, previewPath, thumbPath }) {
  const large = await raw(inside(sharp(source).autoOrient(), 1280));
  const small = await raw(inside(pixels(large), 320));
  const [preview, thumb, tiny] = await Promise.all([
    pixels(large).webp(webp).toBuffer(),
    pixels(small).webp(webp).toBuffer(),
    raw(inside(pixels(small), HASH_EDGE).ensureAlpha()),
  ]);
  await Promise.all([writeFile(previewPath, preview), writeFile(thumbPath, thumb)]);
  const hash = rgbaToThumbHash(tiny.info.width, tiny.info.height, tiny.data);
  return { thumbhash: Buffer.from(hash).toString("base64") };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await previews(JSON.parse(line)))}\n`);
}

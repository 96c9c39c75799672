// Gives the only image of an OCI layout the name under which engines load it. Podman and containerd read it from an annotation;
// Docker without the image store of containerd reads `manifest.json`, as in archives of `docker save`.
// Usage: node scripts/image-names.js LAYOUT NAME
const { readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');

const [layout, name] = process.argv.slice(2);

function read(file) {
  return JSON.parse(readFileSync(path.join(layout, file), 'utf8'));
}

function blob({ digest }) {
  return `blobs/${digest.replace(':', '/')}`;
}

const index = read('index.json');
const [image, ...others] = index.manifests;
if (image === undefined || others.length > 0) throw new Error(`${layout} has not exactly one image`);
image.annotations = { ...image.annotations, 'io.containerd.image.name': name };
writeFileSync(path.join(layout, 'index.json'), JSON.stringify(index));

const manifest = read(blob(image));
const entry = { Config: blob(manifest.config), RepoTags: [name], Layers: manifest.layers.map(blob) };
writeFileSync(path.join(layout, 'manifest.json'), JSON.stringify([entry]));

// A second opinion on the format of sealed packets, which shares nothing with package
// crypto: derives the keys of the vectors in a JSON file anew, opens their packets, and
// compares. Usage: node open.mjs FILE. It ends with an error if anything differs.

import { createDecipheriv, hkdfSync } from "node:crypto";
import { readFileSync } from "node:fs";

const headerSize = 16;
const tagSize = 16;

// deriveKey is HKDF-SHA256 (RFC 5869), salted with the hash of the handshake.
function deriveKey(v) {
  const size = { "aes-128-gcm": 16, "aes-256-gcm": 32 }[v.suite];
  const info = `vxtap v1 data ${v.suite} ${v.sender}`;
  return Buffer.from(hkdfSync("sha256", Buffer.from(v.split, "hex"), Buffer.from(v.hash, "hex"), info, size));
}

function readHeader(packet) {
  const counter = packet.readBigUInt64BE(8);
  return {
    type: packet[0],
    version: packet[1],
    flags: packet.readUInt16BE(2),
    index: packet.readUInt32BE(4),
    queue: Number(counter >> 56n),
    counter: String(counter & ((1n << 56n) - 1n)),
  };
}

// open throws if the packet is not genuine.
function open(suite, key, packet) {
  const nonce = Buffer.concat([Buffer.alloc(4), packet.subarray(8, 16)]);
  const decipher = createDecipheriv(suite, key, nonce, { authTagLength: tagSize });
  decipher.setAAD(packet.subarray(0, headerSize));
  decipher.setAuthTag(packet.subarray(packet.length - tagSize));
  const plain = decipher.update(packet.subarray(headerSize, packet.length - tagSize));
  return Buffer.concat([plain, decipher.final()]);
}

function same(name, what, got, want) {
  if (got !== want) {
    throw new Error(`${name}: ${what} is ${got}, want ${want}`);
  }
}

function refused(v, key, packet) {
  try {
    open(v.suite, key, packet);
  } catch {
    return;
  }
  throw new Error(`${v.name}: opens with a bit flipped`);
}

function check(v) {
  const key = deriveKey(v);
  same(v.name, "key", key.toString("hex"), v.key);
  const packet = Buffer.from(v.packet, "hex");
  const header = readHeader(packet);
  same(v.name, "version", header.version, 1);
  for (const field of ["type", "flags", "index", "queue", "counter"]) {
    same(v.name, field, header[field], v[field]);
  }
  same(v.name, "plain text", open(v.suite, key, packet).toString("hex"), v.plain);
  for (const at of [0, 1, 3, 4, 15, packet.length - 1]) {
    const forged = Buffer.from(packet);
    forged[at] ^= 1;
    refused(v, key, forged);
  }
}

const vectors = JSON.parse(readFileSync(process.argv[2], "utf8"));
vectors.forEach(check);
console.log(`${vectors.length} vectors`);

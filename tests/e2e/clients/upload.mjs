// Uploads a file as the JavaScript SDK does it: node upload.mjs BUCKET KEY FILE [ENCRYPTION]
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.CLIENTS}/`);
const { S3Client } = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");

const [bucket, key, file, encryption] = process.argv.slice(2);
const client = new S3Client({ endpoint: process.env.AWS_ENDPOINT_URL, forcePathStyle: true });
const more = encryption ? { ServerSideEncryption: encryption } : {};
const params = { Bucket: bucket, Key: key, Body: await readFile(file), ...more };
await new Upload({ client, params, partSize: 5 * 1024 * 1024 }).done();

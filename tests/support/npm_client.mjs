// Calls ipfs-cluster's npm client, unmodified: `node npm_client.mjs PACKAGE URL [HEADERS]` reads a call in each line of
// stdin, {"call": METHOD, "arguments": [...]}, and answers each in a line, {"result"} or {"error", "status"}.
// {"$file": TEXT, "name": NAME, "type": TYPE} is a file, {"$bytes": BASE64} a Blob and {"$date": TEXT} a time.
import { createInterface } from 'node:readline'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [folder, url, headers] = process.argv.slice(2)
const { module, exports } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
const entry = exports?.['.']?.import ?? exports?.['.']?.default ?? exports?.['.'] ?? module
const { Cluster } = await import(pathToFileURL(join(folder, entry)))
const cluster = new Cluster(url, { headers: JSON.parse(headers ?? '{}') })

// A File of this kind is a Blob with a name: what browsers give for a chosen folder has a path for a name.
const revived = (_, value) => {
  if (value?.$file !== undefined) {
    return new File([value.$file], value.name, { type: value.type ?? '' })
  }
  if (value?.$bytes !== undefined) {
    return new Blob([Buffer.from(value.$bytes, 'base64')])
  }
  return value?.$date !== undefined ? new Date(value.$date) : value
}

for await (const line of createInterface({ input: process.stdin })) {
  const { call, arguments: given } = JSON.parse(line, revived)
  let answer
  try {
    answer = { result: await cluster[call](...given) }
  } catch (error) {
    answer = { error: [error.message, error.cause].filter(Boolean).join(': '), status: error.response?.status ?? 0 }
  }
  console.log(JSON.stringify(answer))
}

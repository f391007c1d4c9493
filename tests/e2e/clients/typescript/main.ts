/**
 * Writes a document, finds it, and looks for a missing document, with the client of openapi-typescript and
 * openapi-fetch.
 */
import createClient from 'openapi-fetch'
import type { components, paths } from './api.js'

type Found = components['schemas']['FoundDocument']
type Query = components['schemas']['DocumentQuery']

const { BUNBASE_URL, BUNBASE_KEY } = process.env
if (!BUNBASE_URL || !BUNBASE_KEY) throw new Error('BUNBASE_URL and BUNBASE_KEY are needed')
const client = createClient<paths>({ baseUrl: BUNBASE_URL, headers: { 'X-Bunbase-Key': BUNBASE_KEY } })
const posts = { params: { path: { collection: 'posts' } } }

const created = await client.POST('/v1/data/{collection}', { ...posts, body: { title: 'TypeScript', likes: 3 } })
if (created.error) throw new Error(created.error.detail)
const id: string = created.data._id
const revision: number = created.data._rev

const query: Query = { where: { title: 'TypeScript', likes: { $gte: 3 } }, sort: ['-_created'], limit: 5 }
const page = await client.POST('/v1/data/{collection}/query', { ...posts, body: query })
if (page.error) throw new Error(page.error.detail)
const items: Found[] = page.data.items
const next: string | null = page.data.next
const likes: unknown = items[0]?.likes
if (items.length !== 1 || items[0]?._id !== id || likes !== 3 || revision !== 1 || next !== null) {
  throw new Error(`an unexpected page: ${JSON.stringify(page.data)}`)
}

// @ts-expect-error a misspelt member of a query does not compile
const misspelt: Query = { were: {} }
const refused = await client.POST('/v1/data/{collection}/query', { ...posts, body: misspelt })
const code: string | undefined = refused.error?.code
if (code !== 'invalid_query') throw new Error(`an unexpected answer to a misspelt query: ${code}`)

const grouped = await client.POST('/v1/data/{collection}/aggregate', {
  ...posts,
  body: { where: { title: 'TypeScript' }, group: ['title'], values: { total: { $sum: 'likes' }, n: { $count: true } } },
})
if (grouped.data?.items[0]?.total !== 3) throw new Error(`unexpected groups: ${JSON.stringify(grouped.data)}`)

const missing = await client.GET('/v1/data/{collection}/{id}', {
  params: { path: { collection: 'posts', id: 'missing' } },
})
if (missing.error?.code !== 'document_not_found') throw new Error('a missing document is found')

// @tursodatabase/serverless, unmodified, against one tenant: node serverless.mjs URL TOKEN
import { connect } from '@tursodatabase/serverless';
import assert from 'node:assert/strict';

const [url, authToken] = process.argv.slice(2);
const db = connect({ url, authToken });
await db.exec('create table note (id integer primary key, text text)');
const insert = await db.prepare('insert into note (text) values (?)');
for (const text of ['a', 'b', 'c']) await insert.run([text]);
const all = await (await db.prepare('select text from note order by id')).all();
assert.deepEqual(all.map((row) => row.text), ['a', 'b', 'c']);
console.log('prepare, run, all');

await db.batch(["insert into note (text) values ('d')", "insert into note (text) values ('e')"], 'write');
assert.equal((await (await db.prepare('select count(*) as n from note')).get()).n, 5);
console.log('batch');
await db.close();

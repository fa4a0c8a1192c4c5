// @libsql/client, unmodified, against one tenant: node libsql.mjs URL TOKEN
// Prints one line per thing that works; exits 1 at the first that does not.
import { createClient } from '@libsql/client';
import assert from 'node:assert/strict';

const [url, authToken] = process.argv.slice(2);
const db = createClient({ url, authToken, intMode: 'bigint' });
const one = async (sql, args = []) => (await db.execute({ sql, args })).rows[0][0];

await db.execute('create table account (id integer primary key, owner text not null unique, cents integer not null, photo blob)');
const inserted = await db.execute({ sql: 'insert into account (owner, cents) values (?, ?)', args: ['ada', 100n] });
assert.equal(inserted.rowsAffected, 1);
assert.equal(inserted.lastInsertRowid, 1n);
console.log('execute');

const results = await db.batch(
  [
    { sql: 'insert into account (owner, cents) values (:owner, :cents)', args: { owner: 'bob', cents: 50n } },
    'update account set cents = cents + 1',
    'select sum(cents) from account',
  ],
  'write',
);
assert.equal(results[2].rows[0][0], 152n);
await assert.rejects(
  db.batch(["insert into account (owner, cents) values ('eve', 1)", "insert into account (owner, cents) values ('ada', 1)"], 'write'),
  (e) => e.code === 'SQLITE_CONSTRAINT',
);
assert.equal(await one('select count(*) from account'), 2n, 'a failed batch leaves nothing');
console.log('batch');

const tx = await db.transaction('write');
const balance = (await tx.execute("select cents from account where owner = 'ada'")).rows[0][0];
await tx.execute({ sql: "update account set cents = ? where owner = 'ada'", args: [balance - 30n] });
await tx.execute("update account set cents = cents + 30 where owner = 'bob'");
await tx.commit();
assert.equal(await one("select cents from account where owner = 'bob'"), 81n);
const undone = await db.transaction('write');
await undone.execute('delete from account');
await undone.rollback();
assert.equal(await one('select count(*) from account'), 2n);
console.log('interactive transaction');

const photo = new Uint8Array(70000).map((_, i) => (i * 31) & 255);
await db.execute({ sql: "update account set photo = ? where owner = 'ada'", args: [photo] });
assert.deepEqual(new Uint8Array(await one("select photo from account where owner = 'ada'")), photo);
console.log('blob');

for (const n of [9223372036854775807n, -9223372036854775808n, 9007199254740993n]) {
  await db.execute({ sql: "update account set cents = ? where owner = 'bob'", args: [n] });
  assert.equal(await one("select cents from account where owner = 'bob'"), n);
}
console.log('64-bit integer');

await db.executeMultiple('create table log (at text); insert into log values (1); insert into log values (2);');
assert.equal(await one('select count(*) from log'), 2n);
await db.migrate(['alter table log add column what text', 'create index log_at on log (at)']);
await assert.rejects(db.execute('select * from nowhere'), (e) => /no such table: nowhere/.test(e.message));
console.log('sequence, migration, errors');
db.close();

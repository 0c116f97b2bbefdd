// Opens a trace in Perfetto's trace processor and prints the rows of SQL queries as JSON, an array a query.
// usage: node query_trace.mjs FOLDER TRACE SQL...     FOLDER holds Perfetto's engine_bundle.js and trace_processor.wasm
//
// The engine is the WebAssembly worker of ui.perfetto.dev; its protocol is protos/perfetto/trace_processor of Perfetto.
import { readFileSync } from "node:fs";
import vm from "node:vm";

const [folder, trace, ...queries] = process.argv.slice(2);
const method = { append: 1, finalize: 2, query: 3 };

function varint(value) {
    const bytes = [];
    for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
    return Buffer.from([...bytes, value]);
}

function bytesField(number, bytes) {
    return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

function intField(number, value) {
    return Buffer.concat([varint(number * 8), varint(value)]);
}

function readVarint(bytes, at) {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
        const byte = bytes[at++];
        if (byte === undefined) throw new Error("a reply of the trace processor ends early");
        value |= BigInt(byte & 127) << shift;
        if (byte < 128) return [BigInt.asIntN(64, value), at];
    }
}

// The fields of a message in order: number and value, a BigInt or bytes.
function* fields(bytes) {
    for (let at = 0; at < bytes.length; ) {
        let tag;
        let value;
        [tag, at] = readVarint(bytes, at);
        const wire = Number(tag & 7n);
        if (wire === 0) {
            [value, at] = readVarint(bytes, at);
        } else {
            let length = wire === 1 ? 8n : 4n;
            if (wire === 2) [length, at] = readVarint(bytes, at);
            value = bytes.subarray(at, at + Number(length));
            at += Number(length);
        }
        yield [Number(tag >> 3n), value];
    }
}

// Starts the engine as a browser would start its worker; resolves to a function that sends a request.
function start() {
    let reply = Buffer.alloc(0);
    const port = { postMessage: (bytes) => (reply = Buffer.concat([reply, Buffer.from(bytes)])) };
    class XMLHttpRequest {
        open(_, name) {
            this.name = name;
        }
        send() {
            this.status = 200;
            this.response = new Uint8Array(readFileSync(`${folder}/${this.name.split("/").pop()}`)).buffer;
        }
    }
    const quiet = { log() {}, warn() {}, error: (text) => console.error(text) };
    const worker = { XMLHttpRequest, TextDecoder, performance, setTimeout, console: quiet, crypto };
    worker.self = worker;
    worker.location = { href: "file:///engine_bundle.js" };
    worker.WorkerGlobalScope = class {};
    worker.importScripts = () => {};
    vm.createContext(worker);
    vm.runInContext(readFileSync(`${folder}/engine_bundle.js`, "utf8"), worker);
    const Bytes = vm.runInContext("Uint8Array", worker);
    worker.onmessage({ data: port });
    return (bytes) => {
        reply = Buffer.alloc(0);
        port.onmessage({ data: new Bytes(bytes) });
        return reply;
    };
}

const send = start();
// The engine is ready some turns of the event loop after it was made.
await new Promise((resolve) => setTimeout(resolve, 100));

let sequence = 0;
function request(number, ...rest) {
    const message = Buffer.concat([intField(1, sequence++), intField(2, number), ...rest]);
    const replies = [];
    for (const [, message_] of fields(send(bytesField(1, message)))) {
        for (const [field, value] of fields(message_)) {
            if (field === 5) throw new Error(value.toString());
            replies.push([field, value]);
        }
    }
    return replies;
}

function rows(sql) {
    const names = [];
    const values = [];
    for (const [field, result] of request(method.query, bytesField(103, bytesField(1, Buffer.from(sql))))) {
        if (field !== 203) continue;
        for (const [part, value] of fields(result)) {
            if (part === 1) names.push(value.toString());
            if (part === 2 && value.length > 0) throw new Error(`${sql}: ${value}`);
            if (part === 3) values.push(...cells(value));
        }
    }
    const found = [];
    while (values.length > 0) {
        const row = values.splice(0, names.length);
        found.push(Object.fromEntries(names.map((name, index) => [name, row[index]])));
    }
    return found;
}

// The cells of a batch: their kinds, then the values of each kind on their own.
function cells(batch) {
    const kinds = [];
    const integers = [];
    const doubles = [];
    let texts = [];
    for (const [field, value] of fields(batch)) {
        if (field === 1) kinds.push(...value);
        if (field === 2) for (let at = 0, item; at < value.length; integers.push(Number(item))) [item, at] = readVarint(value, at);
        if (field === 3) for (let at = 0; at < value.length; at += 8) doubles.push(value.readDoubleLE(at));
        if (field === 5) texts = value.toString().split("\0");
    }
    const take = { 1: () => null, 2: () => integers.shift(), 3: () => doubles.shift(), 4: () => texts.shift() };
    return kinds.map((kind) => take[kind]());
}

const data = readFileSync(trace);
for (let at = 0; at < data.length; at += 1 << 24) {
    for (const [field, result] of request(method.append, bytesField(101, data.subarray(at, at + (1 << 24))))) {
        if (field !== 201) continue;
        for (const [part, value] of fields(result)) if (part === 2 && value.length > 0) throw new Error(`${trace}: ${value}`);
    }
}
request(method.finalize);
for (const query of queries) console.log(JSON.stringify(rows(query)));

#!/usr/bin/env python3
"""The way that snaplog replaces, as a measuring stick: a crawl checkpointed by pickling the graph, copied into tiers, pruned, gzipped when old.

    old-way events.ndjson --dir DIR [--interval 25] [--upto N] [--whole]

(A measuring stick that came with the task of replacing that way; taken over as it was.)

Replays the events into a NetworkX graph. Whenever the node count has crossed a multiple of the interval it does what the old tool did at a checkpoint and backup: pickle the graph without attributes, put every node's attributes into an
SQLite table (WAL mode), write a JSON file with all processed ids, copy the pickle and the database into backups/<tier>/, rewrite the manifest, remove what retention drops (frequent 5, moderate 10, milestone all, newest 3), gzip
copies older than 7 days by the events' own time. --whole pickles the graph with its attributes, node and edge, in place of pickle and table: what a careful user would do. Prints one JSON object:
seconds and bytes by part, backups made and kept, bytes kept. Needs networkx.
"""
import argparse, datetime, gzip, json, os, pickle, shutil, sqlite3, sys, time
import networkx as nx

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("file"); p.add_argument("--dir", required=True); p.add_argument("--interval", type=int, default=25)
p.add_argument("--upto", type=int, help="stop after so many nodes"); p.add_argument("--whole", action="store_true")
o = p.parse_args()
os.makedirs(o.dir)
tiers = [("milestone", 20 * o.interval, None), ("moderate", 4 * o.interval, 10), ("frequent", o.interval, 5)]
for t, _, _ in tiers:
    os.makedirs(f"{o.dir}/backups/{t}")
topology, table, meta = (f"{o.dir}/{n}" for n in ("graph_topology.gpickle", "metadata_cache.db", "checkpoint_metadata.json"))
db = None
if not o.whole:
    db = sqlite3.connect(table); db.execute("PRAGMA journal_mode=WAL"); db.execute("CREATE TABLE metadata(sample_id TEXT PRIMARY KEY, data JSON)")
sec = dict.fromkeys(("graph", "checkpoint", "copy", "prune", "compress"), 0.0)
written = dict.fromkeys(("checkpoint", "copy", "compress"), 0)
made, manifest = 0, []


def backup(g, before, now, stamp):
    global made, manifest
    t0 = time.perf_counter()
    with open(topology, "wb") as f:
        if o.whole:
            pickle.dump(g, f, pickle.HIGHEST_PROTOCOL)
        else:
            bare = nx.DiGraph(); bare.add_nodes_from(g.nodes()); bare.add_edges_from(g.edges()); pickle.dump(bare, f, pickle.HIGHEST_PROTOCOL)
    written["checkpoint"] += os.path.getsize(topology)
    if db:
        rows = [(str(n), json.dumps(a)) for n, a in g.nodes(data=True) if a]
        with db:
            db.executemany("INSERT OR REPLACE INTO metadata VALUES(?,?)", rows)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)"); written["checkpoint"] += sum(len(r[1]) for r in rows)
    with open(meta, "w") as f:
        json.dump({"timestamp": stamp.isoformat(), "nodes": len(g), "edges": g.number_of_edges(), "processed_ids": [str(n) for n in g]}, f, indent=2)
    written["checkpoint"] += os.path.getsize(meta)
    t1 = time.perf_counter(); sec["checkpoint"] += t1 - t0
    tier = next(t for t, every, _ in tiers if now // every > before // every)
    files = []
    for src in (topology,) if o.whole else (topology, table):
        dst = f"{o.dir}/backups/{tier}/{os.path.basename(src)}_{now}nodes_{made}"
        shutil.copy2(src, dst); files.append(dst); written["copy"] += os.path.getsize(dst)
    made += 1; manifest.append({"timestamp": stamp.isoformat(), "nodes": now, "tier": tier, "files": files, "compressed": False, "n": made})
    t2 = time.perf_counter(); sec["copy"] += t2 - t1
    newest = {m["n"] for m in manifest[-3:]}
    drop = {m["n"] for t, _, keep in tiers if keep for m in [m for m in manifest if m["tier"] == t][:-keep]} - newest
    for m in manifest:
        if m["n"] in drop:
            for f in m["files"]:
                os.remove(f)
    manifest = [m for m in manifest if m["n"] not in drop]
    json.dump({"backups": manifest}, open(f"{o.dir}/backup_manifest.json", "w"), indent=2)
    t3 = time.perf_counter(); sec["prune"] += t3 - t2
    for m in manifest:
        if not m["compressed"] and stamp - datetime.datetime.fromisoformat(m["timestamp"]) > datetime.timedelta(days=7):
            for i, f in enumerate(m["files"]):
                with open(f, "rb") as a, gzip.open(f + ".gz", "wb") as b:
                    shutil.copyfileobj(a, b)
                os.remove(f); m["files"][i] = f + ".gz"; written["compress"] += os.path.getsize(f + ".gz")
            m["compressed"] = True
    sec["compress"] += time.perf_counter() - t3


g, last = nx.DiGraph(), 0
for line in open(o.file, encoding="utf-8"):
    e = json.loads(line); t = time.perf_counter()
    if e["op"] == "node":
        g.add_node(e["id"], **e.get("attrs", {}))
    elif e["op"] == "edge":
        g.add_edge(e["src"], e["dst"], **e.get("attrs", {}))
    sec["graph"] += time.perf_counter() - t
    n = len(g)
    if n // o.interval > last // o.interval:
        backup(g, last, n, datetime.datetime.fromisoformat(e["ts"])); last = n
    if o.upto and n >= o.upto:
        break
kept = sum(os.path.getsize(os.path.join(r, f)) for r, _, fs in os.walk(o.dir) for f in fs)
print(json.dumps({"nodes": len(g), "edges": g.number_of_edges(), "backups_made": made, "backups_kept": len(manifest), "seconds": {k: round(v, 3) for k, v in sec.items()},
                  "seconds_without_graph": round(sum(sec.values()) - sec["graph"], 3), "bytes_written": written, "bytes_written_total": sum(written.values()), "bytes_kept": kept}))

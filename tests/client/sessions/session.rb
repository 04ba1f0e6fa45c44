# SPDX-License-Identifier: MIT
# The session of DESIGN.md through redis-rb.
require "redis"

Redis.silence_deprecations = true if Redis.respond_to?(:silence_deprecations=)
PASSWORD = ENV.fetch("SESSION_PASSWORD")
PORT = { "A" => ENV.fetch("SESSION_A_PORT").to_i, "B" => ENV.fetch("SESSION_B_PORT").to_i }.freeze
SOCKET = { "A" => ENV.fetch("SESSION_A_SOCKET"), "B" => ENV.fetch("SESSION_B_SOCKET") }.freeze
ALL_BYTES = (0..255).to_a.pack("C*").freeze
PATIENCE = 60 # seconds; a safety net

# The client cannot do this step.
class Skip < StandardError; end

# Something is not as it should be.
class Wrong < StandardError; end

def over_tcp(name, **options)
  Redis.new(host: "127.0.0.1", port: PORT[name], password: PASSWORD, **options)
end

def over_unix(name, **options)
  Redis.new(path: SOCKET[name], password: PASSWORD, **options)
end

def expect(got, wanted, what = nil)
  return if got == wanted

  raise Wrong, "#{what} #{got.inspect[0, 200]} instead of #{wanted.inspect[0, 200]}"
end

def expect_error(kind, text)
  got = yield
  raise Wrong, "#{got.inspect} instead of an error: #{text}"
rescue Redis::BaseError => e
  raise Wrong, "#{e.class}: #{e.message}, not #{kind}: #{text}" unless e.is_a?(kind) && e.message.include?(text)
end

def now
  Process.clock_gettime(Process::CLOCK_MONOTONIC)
end

def wait_until(what)
  limit = now + PATIENCE
  until yield
    raise Wrong, "waited in vain: #{what}" if now > limit

    sleep 0.002
  end
end

# What came as bytes, to be compared with bytes.
def bytes(text)
  text&.b
end

A = over_tcp("A")
B = over_unix("B")
STEPS = {}

def step(name, &block)
  STEPS[name] = block
end

step :connect_tcp do
  expect A.ping, "PONG"
end

step :connect_unix do
  expect B.ping, "PONG"
end

step :connect_url do
  expect Redis.new(url: ENV.fetch("SESSION_A_URL")).ping, "PONG"
  expect Redis.new(url: "unix://#{SOCKET['B']}", password: PASSWORD).ping, "PONG"
end

step :password do
  expect_error(Redis::CommandError, "NOAUTH") { Redis.new(port: PORT["A"]).get("password:key") }
  expect_error(Redis::CommandError, "WRONGPASS") do
    Redis.new(port: PORT["A"], password: "wrong").ping
  end
  expect Redis.new(port: PORT["A"], username: "default", password: PASSWORD).ping, "PONG"
  by_hand = Redis.new(port: PORT["A"])
  expect by_hand.auth(PASSWORD), "OK"
  expect by_hand.get("password:key"), nil
end

step :resp3 do
  raise Skip, "redis-rb 4 speaks RESP2 only"
end

step :introduce do
  client = over_tcp("A", id: "first")
  expect client.client(:getname), "first"
  fields = client.call("HELLO", 2, "AUTH", "default", PASSWORD, "SETNAME", "greeter").each_slice(2).to_h
  expect fields.values_at("proto", "role"), [2, "master"]
  expect client.client(:getname), "greeter"
  expect client.client(:setname, "another"), "OK"
  expect client.call("CLIENT", "SETINFO", "LIB-NAME", "redis-rb"), "OK"
  expect client.call("CLIENT", "SETINFO", "LIB-VER", Redis::VERSION), "OK"
  info = client.call("CLIENT", "INFO").split.to_h { |field| field.split("=", 2) }
  expect info.values_at("name", "lib-name", "lib-ver"), ["another", "redis-rb", Redis::VERSION]
  names = client.client(:list).map { |entry| entry["name"] }
  expect names.reject(&:empty?), ["another"]
end

step :seen_at_once do
  200.times do |i|
    expect A.set("seen_at_once:key", "a#{i}"), "OK"
    expect B.get("seen_at_once:key"), "a#{i}"
    expect B.set("seen_at_once:key", "b#{i}"), "OK"
    expect A.get("seen_at_once:key"), "b#{i}"
  end
end

step :counters do
  200.times do |i|
    expect A.incr("counters:n"), 2 * i + 1
    expect B.incr("counters:n"), 2 * i + 2
  end
  expect A.decrby("counters:n", 100), 300
  expect B.incrbyfloat("counters:n", 0.5), 300.5
  expect A.get("counters:n"), "300.5"
  expect B.get("counters:n"), "300.5"
end

step :pipeline do
  replies = A.pipelined do |commands|
    1000.times { |i| commands.set("pipeline:#{i}", i) }
    1000.times { |i| commands.get("pipeline:#{i}") }
  end
  expect replies, ["OK"] * 1000 + (0...1000).map(&:to_s)
  expect_error(Redis::CommandError, "value is not an integer") do
    A.pipelined do |commands|
      commands.set("pipeline:text", "x")
      commands.incr("pipeline:text")
      commands.set("pipeline:after", "y")
    end
  end
  expect B.mget("pipeline:text", "pipeline:after"), %w[x y]
end

step :transaction do
  replies = A.multi do |block|
    block.set("transaction:text", "one")
    block.incr("transaction:n")
    block.get("transaction:text")
  end
  expect replies, ["OK", 1, "one"]
  expect B.mget("transaction:text", "transaction:n"), %w[one 1]
  expect A.multi, "OK"
  expect A.call("SET", "transaction:text", "two"), "QUEUED"
  expect A.discard, "OK"
  expect B.get("transaction:text"), "one"
  expect_error(Redis::CommandError, "value is not an integer") do
    A.multi do |block|
      block.incr("transaction:n")
      block.incr("transaction:text")
      block.incr("transaction:n")
    end
  end
  expect B.get("transaction:n"), "3"
end

step :watch do
  A.set("watch:key", "1")
  won = A.watch("watch:key") do
    value = A.get("watch:key").to_i
    A.multi { |block| block.set("watch:key", value + 1) }
  end
  expect [won, B.get("watch:key")], [["OK"], "2"]
  lost = A.watch("watch:key") do
    B.set("watch:key", "by another")
    A.multi { |block| block.set("watch:key", "lost") }
  end
  expect [lost, A.get("watch:key")], [nil, "by another"]
  A.watch("watch:key")
  B.set("watch:key", "again")
  A.unwatch
  expect A.multi { |block| block.set("watch:key", "won") }, ["OK"]
  expect B.get("watch:key"), "won"
end

step :binary do
  ends = ALL_BYTES.each_char.to_a
  ends.each { |byte| A.set("binary:".b + byte, byte + ALL_BYTES) }
  ends.each { |byte| expect bytes(B.get("binary:".b + byte)), byte + ALL_BYTES, byte.inspect }
  A.set("binary:empty", "")
  expect B.get("binary:empty"), ""
  A.set("binary:".b + ALL_BYTES, ALL_BYTES)
  expect bytes(B.get("binary:".b + ALL_BYTES)), ALL_BYTES
  A.set("binary:text", "grüße")
  expect B.get("binary:text"), "grüße"
end

step :large do
  value = (0...1_000_000).map { |i| format("%09d\n", i) }.join
  expect A.set("large:key", value), "OK"
  expect B.get("large:key") == value, true
  expect B.append("large:key", "!"), 10_000_001
  expect A.strlen("large:key"), 10_000_001
  expect A.getrange("large:key", -3, -1), "9\n!"
end

step :expiry do
  A.set("expiry:ex", "1", ex: 100)
  expect B.ttl("expiry:ex").between?(1, 100), true
  B.set("expiry:px", "1", px: 100_000)
  expect A.pttl("expiry:px").between?(1, 100_000), true
  expect A.expireat("expiry:px", Time.now.to_i + 3600), true
  expect B.ttl("expiry:px").between?(3500, 3600), true
  expect B.persist("expiry:px"), true
  expect A.ttl("expiry:px"), -1
  expect A.ttl("expiry:missing"), -2
  A.set("expiry:soon", "1", px: 50)
  wait_until("a key expires") { !A.exists?("expiry:soon") }
  expect B.get("expiry:soon"), nil
  expect A.expireat("expiry:px", 1), true
  expect B.exists("expiry:px"), 0
end

step :scan do
  A.pipelined do |fill|
    3000.times { |i| fill.set("scan:#{i}", i) }
    500.times { |i| fill.set("scanned:#{i}", i) }
  end
  wanted = (0...3000).map { |i| "scan:#{i}" }.sort
  expect A.scan_each(match: "scan:*", count: 100).to_a.uniq.sort == wanted, true, "scan_each"
  found = []
  cursor = "0"
  calls = 0
  loop do
    cursor, keys = (calls.odd? ? B : A).scan(cursor, match: "scan:*", count: 50)
    found.concat(keys)
    calls += 1
    break if cursor == "0"
  end
  expect found.uniq.sort == wanted, true, "cursors at both"
end

step :strings do
  key = "strings:key"
  expect A.append(key, "Hello"), 5
  expect B.append(key, " World"), 11
  expect A.strlen(key), 11
  expect A.setrange(key, 6, "Redis"), 11
  expect B.getrange(key, 0, -1), "Hello Redis"
  expect A.getset(key, "new"), "Hello Redis"
  expect B.getex(key, ex: 50), "new"
  expect A.ttl(key).between?(1, 50), true
  expect B.getdel(key), "new"
  expect A.get(key), nil
  expect A.setnx(key, "1"), true
  expect B.setnx(key, "2"), false
  expect B.set(key, "2", nx: true), false
  expect B.set("strings:none", "2", xx: true), false
  expect B.set(key, "3", get: true), "1"
  expect A.mset("strings:1", "1", "strings:2", "2"), "OK"
  expect B.mget("strings:1", "strings:none", "strings:2"), ["1", nil, "2"]
  expect B.msetnx("strings:3", "3", "strings:1", "other"), false
  expect A.exists?("strings:3"), false
  expect B.mapped_msetnx({ "strings:3" => "3", "strings:4" => "4" }), true
  expect A.copy("strings:1", "strings:5"), true
  expect B.rename("strings:5", "strings:6"), "OK"
  expect A.exists("strings:1", "strings:5", "strings:6"), 2
  expect A.type("strings:6"), "string"
  expect B.del("strings:1", "strings:2", "strings:none"), 2
end

step :bits do
  key = "bits:key"
  expect A.setbit(key, 7, 1), 0
  expect B.setbit(key, 7, 0), 1
  A.set(key, "\x00\xff\xf0".b)
  expect B.getbit(key, 8), 1
  expect [B.bitcount(key), B.bitcount(key, 1, 1)], [12, 8]
  expect [B.bitpos(key, 1), B.bitpos(key, 0, 1)], [8, 20]
  A.set("bits:mask", "\xff\x0f\x0f".b)
  expect B.bitop("AND", "bits:and", key, "bits:mask"), 3
  expect bytes(A.get("bits:and")), "\x00\x0f\x00".b
  expect B.bitop("NOT", "bits:not", key), 3
  expect bytes(A.get("bits:not")), "\xff\x00\x0f".b
  fields = %w[SET u8 #1 200 INCRBY u8 #1 10 GET u8 8]
  expect A.call("BITFIELD", "bits:field", *fields), [0, 210, 210]
  expect B.call("BITFIELD", "bits:field", *%w[OVERFLOW SAT INCRBY u8 #1 100]), [255]
end

step :errors do
  client = over_tcp("A")
  client.set("errors:text", "x")
  [
    ["WRONGPASS", %w[AUTH wrong]],
    ["unknown command", %w[NOSUCH 1]],
    ["value is not an integer", %w[INCR errors:text]],
    ["wrong number of arguments", %w[GET]],
    ["EXEC without MULTI", %w[EXEC]],
    ["syntax error", %w[SET errors:text 1 NOSUCH]],
  ].each do |text, command|
    expect_error(Redis::CommandError, text) { client.call(*command) }
    expect client.get("errors:text"), "x"
  end
end

def messages(publisher, counted)
  channel = "publish:news"
  got = []
  listener = over_tcp("A")
  # redis-rb listens to channels or to patterns: first one, then the other, on one connection.
  listener.subscribe(channel) do |on|
    on.subscribe { publisher.publish(channel, ALL_BYTES).then { |n| expect n, 1 if counted } }
    on.message do |from, data|
      got << [from, bytes(data)]
      listener.unsubscribe
    end
  end
  listener.psubscribe("publish:n?ws") do |on|
    on.psubscribe { publisher.publish(channel, ALL_BYTES).then { |n| expect n, 1 if counted } }
    on.pmessage do |_, from, data|
      got << [from, bytes(data)]
      listener.punsubscribe
    end
  end
  expect got, [[channel, ALL_BYTES]] * 2
  expect listener.ping, "PONG"
  expect publisher.publish(channel, "nobody"), 0 if counted
end

step :publish do
  messages(over_unix("A"), true)
end

step :publish_across do
  messages(B, false)
end

step :databases do
  third = over_tcp("A", db: 3)
  A.set("databases:key", "0")
  expect third.get("databases:key"), nil
  third.set("databases:key", "3")
  expect third.dbsize, 1
  expect [third.get("databases:key"), B.get("databases:key")], %w[3 0]
  expect third.del("databases:key"), 1
  expect B.get("databases:key"), "0"
end

# What the block gives, once it does not lose its connection.
def when_back(what)
  reply = nil
  wait_until(what) do
    reply = yield
    true
  rescue Redis::BaseConnectionError
    false
  end
  reply
end

step :reconnect do
  10.times { A.incr("reconnect:n") }
  Process.kill(:KILL, A.info("server")["process_id"].to_i)
  wanted = 10
  if PORT["A"] != PORT["B"]
    expect B.get("reconnect:n"), "10"
    expect B.incr("reconnect:n"), 11
    wanted = 11
  end
  expect when_back("the server is back") { A.get("reconnect:n") }, wanted.to_s
  expect A.incr("reconnect:n"), wanted + 1
  expect when_back("the other sees it") { B.get("reconnect:n") }, (wanted + 1).to_s
end

step :flush do
  expect A.flushall, "OK"
  expect B.dbsize, 0
  expect A.quit, "OK"
  B.close
end

def main
  count = Hash.new(0)
  STEPS.each do |name, block|
    begin
      block.call
      count[:passed] += 1
      puts "ok #{name}"
    rescue Skip => e
      count[:skipped] += 1
      puts "skip #{name}: #{e.message}"
    rescue StandardError => e # whatever it is, the next step goes on
      count[:failed] += 1
      puts "FAILED #{name}: #{e.class}: #{e.message}"
    end
    $stdout.flush
  end
  puts "#{count[:passed]} passed, #{count[:failed]} failed" +
       (count[:skipped].positive? ? ", #{count[:skipped]} skipped" : "")
  exit(count[:failed].zero? ? 0 : 1)
end

main

-- responder_test.lua: what is asked of a server, what is kept, and what becomes of a server's silence.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local responder = require 'responder'
local descriptors = require 'descriptors'
local dns = require 'coir.dns'
local errno = require 'errno'
local fiber = require 'fiber'
local message = require 'message'
local socket = require 'socket'
local test = require 'test'

local case, configure, hosts = responder.case, responder.configure, responder.hosts
local good = responder.addresses(60, '192.0.2.7')

-- -- One question for all -------------------------------------------------------------------------

case('equal questions at the same time are asked once', good, function(server)
  local fibers = {}
  for i = 1, 100 do
    fibers[i] = fiber.spawn(hosts, i % 2 == 0 and 'same.test' or 'SAME.test.')
  end
  for _, f in ipairs(fibers) do
    local ok, list = f:join()
    test.equal({ ok, list }, { true, { '192.0.2.7' } })
  end
  test.equal(server.total, 1)
end)

case('an answer is kept, and forgotten by flush', good, function(server)
  test.equal(hosts('kept.test'), { '192.0.2.7' })
  test.equal(hosts('kept.test'), { '192.0.2.7' })
  test.equal(server.asked['kept.test A'], 1)
  dns.flush()
  test.equal(hosts('kept.test'), { '192.0.2.7' })
  test.equal(server.asked['kept.test A'], 2)
end)

case('an answer without a time to live is not kept', responder.addresses(0, '192.0.2.7'),
  function(server)
    for _ = 1, 3 do test.equal(hosts('brief.test'), { '192.0.2.7' }) end
    test.equal(server.asked['brief.test A'], 3)
  end)

case('an answer is asked for again when its time is over', responder.addresses(1, '192.0.2.7'),
  function(server)
    local began = fiber.clock()
    test.equal(hosts('second.test'), { '192.0.2.7' })
    test.eventually(function()
      hosts('second.test')
      return server.asked['second.test A'] == 2
    end)
    test.ok(fiber.clock() - began >= 1, 'asked again too early')
  end)

case('a refusal is kept as its zone says', function(query, reply)
  reply(message.answer(query, { code = 'NXDOMAIN', authority = { message.soa('test', 60) } }))
end, function(server)
  for _ = 1, 3 do
    test.match(test.fails('EIO', hosts('none.test')), 'none.test:80: no such name')
  end
  test.equal(server.asked['none.test A'], 1)
end)

case('a refusal of which the zone says nothing is not kept', function(query, reply)
  reply(message.answer(query, { code = 'NXDOMAIN' }))
end, function(server)
  for _ = 1, 2 do test.fails('EIO', hosts('none.test')) end
  test.equal(server.asked['none.test A'], 2)
end)

case('failures of a server are not kept', function(query, reply)
  reply(message.answer(query, { code = 'SERVFAIL' }))
end, function(server)
  test.fails('EIO', hosts('broken.test'))
  local before = server.total
  test.fails('EIO', hosts('broken.test'))
  test.ok(server.total > before)
end)

case('what was asked before a flush is not kept after it', nil, function(server)
  local queries = fiber.channel(1)
  server.handler = function(query, reply) queries:put { query, reply } end
  local waiting = fiber.spawn(hosts, 'old.test')
  local query, reply = table.unpack(queries:get())
  dns.flush()
  server.handler = responder.addresses(60, '192.0.2.8')
  test.equal(hosts('old.test'), { '192.0.2.8' })
  good(query, reply)
  test.equal({ waiting:join() }, { true, { '192.0.2.7' } })
  test.equal(hosts('old.test'), { '192.0.2.8' })
end)

-- -- Silence --------------------------------------------------------------------------------------

case('a caller leaves at its deadline, and nothing stays open', nil, function()
  hosts('warm.test', 0)
  test.settle()
  collectgarbage()
  local before = descriptors.count()
  local problem = test.fails('ETIMEDOUT', test.takes(0.05, 5, hosts, 'silent.test', 0.05))
  test.match(problem, 'cannot resolve silent.test:80: timed out')
  test.equal(socket.errno(), errno.ETIMEDOUT)
  test.settle()
  test.equal(descriptors.count(), before)
end)

case('a timeout of 0 only looks at what is known', good, function()
  test.fails('ETIMEDOUT', hosts('unknown.test', 0))
  test.equal(hosts('unknown.test'), { '192.0.2.7' })
  test.equal(hosts('unknown.test', 0), { '192.0.2.7' })
  test.equal(hosts('192.0.2.1', 0), { '192.0.2.1' })
end)

case('servers that never answer are given up, as resolv.conf says', nil, function()
  local problem = test.fails('EIO', test.takes(0.9, 8, hosts, 'silent.test', 20))
  test.match(problem, 'silent.test:80: no DNS server answers')
end)

case('a cancelled caller leaves at once', nil, function()
  local waiting = fiber.spawn(hosts, 'silent.test')
  test.settle()
  test.match(waiting:info().waiting, 'name look%-up')
  waiting:cancel()
  local ok, problem = test.takes(0, 5, waiting.join, waiting)
  test.equal({ ok, fiber.is_cancelled(problem) }, { false, true })
end)

case('an answer after the deadline harms nobody', nil, function(server)
  local queries = fiber.channel(10)
  server.handler = function(query, reply) queries:put { query, reply } end
  test.fails('ETIMEDOUT', hosts('late.test', 0.01))
  local query, reply = table.unpack(queries:get())
  good(query, reply)
  test.settle()
  server.handler = good
  test.equal(hosts('late.test'), { '192.0.2.7' })
end)

case('who waits longer gets the answer that another gave up', nil, function(server)
  local queries = fiber.channel(10)
  server.handler = function(query, reply) queries:put { query, reply } end
  local patient = fiber.spawn(hosts, 'shared.test', 10)
  test.fails('ETIMEDOUT', hosts('shared.test', 0.01))
  good(table.unpack(queries:get()))
  test.equal({ patient:join() }, { true, { '192.0.2.7' } })
  test.equal(server.asked['shared.test A'], 1)
end)

case('hundreds of unanswered look-ups end at their deadline', nil, function()
  local fibers = {}
  for i = 1, 500 do
    fibers[i] = fiber.spawn(hosts, ('n%d.test'):format(i), 0.2, { type = 'SOCK_STREAM' })
  end
  for _, f in ipairs(fibers) do
    local _, list, _, code = f:join()
    test.equal({ list, code }, { nil, errno.ETIMEDOUT })
  end
end)

case('when a server is silent the next one is asked', nil, function(silent)
  local server = responder.start(good)
  assert(dns.servers { silent.address, server.address })
  test.equal(hosts('second.test', 10), { '192.0.2.7' })
  test.ok(silent.total >= 1)
  server:stop()
end)

case('when a server refuses the next one is asked', function(query, reply)
  reply(message.answer(query, { code = 'REFUSED' }))
end, function(refusing)
  local server = responder.start(good)
  assert(dns.servers { refusing.address, server.address })
  test.equal(hosts('second.test', 10), { '192.0.2.7' })
  test.equal(refusing.total, 1)
  server:stop()
end)

case('a server with a scope does not cost the others', good, function(server)
  assert(dns.servers { 'fe80::1%lo', server.address })
  test.equal(hosts('scope.test', 20), { '192.0.2.7' })
end)

case('one family without an answer does not cost the other', function(query, reply)
  if query.type == 'A' then good(query, reply) end
end, function()
  test.equal(hosts('half.test', 20, { type = 'SOCK_STREAM' }), { '192.0.2.7' })
end)

-- -- Searching ------------------------------------------------------------------------------------

local function refuse_all(query, reply)
  reply(message.answer(query, { code = 'NXDOMAIN', authority = { message.soa('test', 0) } }))
end

case('short names are searched, and others asked for as they are first', nil, function(server)
  configure('search one.test two.test\noptions ndots:2\n')
  local order = {}
  server.handler = function(query, reply)
    order[#order + 1] = query.name
    refuse_all(query, reply)
  end
  local function asked(name)
    order = {}
    test.fails('EIO', hosts(name))
    return order
  end
  test.equal(asked('a'), { 'a.one.test', 'a.two.test', 'a' })
  test.equal(asked('a.b'), { 'a.b.one.test', 'a.b.two.test', 'a.b' })
  test.equal(asked('a.b.c'), { 'a.b.c', 'a.b.c.one.test', 'a.b.c.two.test' })
  test.equal(asked('a.'), { 'a' })
end)

case('resolv.conf is read again when it changes', refuse_all, function(server)
  configure('search one.test\n')
  test.fails('EIO', hosts('host'))
  configure('search other.test and.more.test\n')
  test.fails('EIO', hosts('host'))
  test.equal(server.asked['host.one.test A'], 1)
  test.equal(server.asked['host.other.test A'], 1)
  test.equal(server.asked['host.and.more.test A'], 1)
end)

responder.finish()

-- responder_test.lua: what the resolver makes of a server that is silent, slow, wrong or hostile.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local responder = require 'responder'
local dns = require 'coir.dns'
local errno = require 'errno'
local fiber = require 'fiber'
local message = require 'message'
local socket = require 'socket'
local test = require 'test'

local folder = os.tmpname()
os.remove(folder)

--- A resolv.conf with these lines, in use from now on.
local function configure(text)
  local path = folder .. '.resolv'
  local file <close> = assert(io.open(path, 'w'))
  file:write(text)
  dns.files { resolv_conf = path, hosts = '/dev/null' }
end

--- A case with a responder; its name servers and answers are of no use afterwards.
local function case(sentence, handler, body, stream)
  test.case(sentence, function()
    configure('options timeout:1 attempts:1\n')
    local server = responder.start(handler, stream)
    local ok, problem = pcall(body, server)
    server:stop()
    if not ok then error(problem, 0) end
  end)
end

local v4 = { family = 'AF_INET', type = 'SOCK_STREAM' }
local good = responder.addresses(60, '192.0.2.7')

--- The addresses of a name, or the failure.
local function hosts(name, timeout, hints)
  local rows, problem, code = socket.getaddrinfo(name, 80, timeout or 10, hints or v4)
  if not rows then return nil, problem, code end
  local list = {}
  for i, row in ipairs(rows) do list[i] = row.host end
  return list
end

local function descriptors()
  collectgarbage()
  local n = 0
  local pipe <close> = io.popen('ls /proc/$PPID/fd')
  for _ in pipe:lines() do n = n + 1 end
  return n
end

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
  local before = descriptors()
  local problem = test.fails('ETIMEDOUT', test.takes(0.05, 0.9, hosts, 'silent.test', 0.05))
  test.match(problem, 'cannot resolve silent.test:80: timed out')
  test.equal(socket.errno(), errno.ETIMEDOUT)
  test.settle()
  test.equal(descriptors(), before)
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
  local ok, problem = test.takes(0, 0.9, waiting.join, waiting)
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

case('one family without an answer does not cost the other', function(query, reply)
  if query.type == 'A' then good(query, reply) end
end, function()
  test.equal(hosts('half.test', 20, { type = 'SOCK_STREAM' }), { '192.0.2.7' })
end)

-- -- Wrong answers --------------------------------------------------------------------------------

case('answers with a wrong number or question are passed over', function(query, reply)
  reply(message.answer(query, { id = query.id ~ 1,
    answers = { message.a(query.name, 60, '198.51.100.1') } }))
  reply(message.answer(query, { question = message.name('other.test') .. '\0\1\0\1',
    answers = { message.a('other.test', 60, '198.51.100.2') } }))
  good(query, reply)
end, function()
  test.equal(hosts('right.test'), { '192.0.2.7' })
end)

-- Some versions of c-ares ask again at once, others when the answer is due.
case('a server that talks nonsense is asked again', nil, function(server)
  configure('options timeout:1 attempts:3\n')
  server.handler = function(query, reply)
    if server.total > 2 then return good(query, reply) end
    reply(server.total == 1 and 'x' or ('\xff'):rep(100))
  end
  test.equal(hosts('clear.test'), { '192.0.2.7' })
  test.equal(server.total, 3)
end)

case('records of other names are passed over', function(query, reply)
  reply(message.answer(query, { answers = {
    message.a('other.test', 60, '198.51.100.1'), message.a(query.name, 60, '192.0.2.7') } }))
end, function()
  test.equal(hosts('mine.test'), { '192.0.2.7' })
end)

case('an answer that ends early is an error', function(query, reply)
  local whole = message.answer(query, { answers = { message.a(query.name, 60, '192.0.2.7') } })
  reply(whole:sub(1, -3))
end, function()
  test.fails('EIO', hosts('short.test'))
end)

case('a name that points at itself is an error', function(query, reply)
  local target = '\xc0' .. string.char(12 + #query.question + 12)
  local circle = '\xc0\x0c' .. string.pack('>I2I2I4s2', 5, 1, 60, target)
  reply(message.answer(query, { answers = { circle } }))
end, function()
  test.fails('EIO', hosts('circle.test'))
end)

case('aliases in a circle end', function(query, reply)
  reply(message.answer(query, { answers = {
    message.record('a.test', 'CNAME', 60, message.name('b.test')),
    message.record('b.test', 'CNAME', 60, message.name('a.test')) } }))
end, function()
  test.match(test.fails('EIO', hosts('a.test')), 'a.test:80: the name has no address')
end)

case('random answers never break anything', nil, function(server)
  math.randomseed(42)
  server.handler = function(query, reply)
    local whole = message.answer(query, { answers = {
      message.record(query.name, 'CNAME', 60, message.name('x.test')),
      message.a('x.test', 60, '192.0.2.7'),
      message.record('x.test', 'TXT', 60, '\5hello') } })
    local bytes = { whole:byte(1, -1) }
    for _ = 1, math.random(1, 8) do
      bytes[math.random(13 + #query.question, #bytes)] = math.random(0, 255)
    end
    reply(string.char(table.unpack(bytes)))
  end
  for i = 1, 500 do
    local list = hosts(('r%d.test'):format(i), 0.1)
    test.ok(list == nil or #list >= 1)
  end
end)

-- -- Over TCP -------------------------------------------------------------------------------------

local function truncated(query, reply) reply(message.answer(query, { truncated = true })) end

--- Sends a whole answer over a connection.
local function send(query, connection)
  good(query, function(answer) connection:write(string.pack('>s2', answer)) end)
end

case('a truncated answer is asked for again over TCP', truncated, function(server)
  server.stream = send
  test.equal(hosts('long.test'), { '192.0.2.7' })
end)

case('an answer that comes byte by byte is put together', truncated, function(server)
  server.stream = function(query, connection)
    good(query, function(answer)
      for byte in string.pack('>s2', answer):gmatch('.') do
        connection:write(byte)
        fiber.yield()
      end
    end)
  end
  test.equal(hosts('slow.test'), { '192.0.2.7' })
end)

case('half an answer over TCP is an error', truncated, function(server)
  server.stream = function(query, connection)
    good(query, function(answer) connection:write(string.pack('>s2', answer):sub(1, 20)) end)
  end
  test.fails('EIO', hosts('half.test', 20))
end)

case('a connection that stays silent ends at the deadline', truncated, function(server)
  local over = fiber.channel(1)
  server.stream = function(_, connection) over:put(connection:read(1, 10)) end
  test.fails('ETIMEDOUT', test.takes(0.1, 0.9, hosts, 'mute.test', 0.1))
  test.equal(over:get(), '') -- our side was closed
end)

-- -- Nothing is sent for what cannot be valid -----------------------------------------------------

case('nothing is sent for what cannot be valid', good, function(server)
  local label = ('x'):rep(63)
  local bad = {
    { ('a.'):rep(150) .. 'test', 'longer than 253 bytes' },
    { ('x'):rep(64) .. '.test', 'longer than 63 bytes' },
    { 'a..test', 'empty label' }, { '.test', 'empty label' }, { '..', 'empty label' },
    { '.', 'empty label' }, { 'a\0b.test', 'zero byte' }, { 'a b.test', 'character' },
    { 'a/b.test', 'character' }, { 'a\nb', 'character' }, { '1.2.3.4.5', 'no such name' },
    { '256.1.1.1', 'no such name' }, { '1::2::3', 'no valid address' }, { ':', 'no valid address' },
    { '[::1]', 'character' }, { 'b\xc3\xbccher.test', 'not ASCII' },
    { 'a\\.test', 'character' }, { '*.test', 'character' },
  }
  for _, entry in ipairs(bad) do
    test.match(test.fails('EIO', hosts(entry[1])), 'cannot resolve .*' .. entry[2])
  end
  for _, port in ipairs { 65536, -1, '80x', '65536', '-1', '+80', ' 80', '80 ', '1e3', 2 ^ 53, 80.5,
    'a\0b' } do
    local problem = test.fails('EIO', socket.getaddrinfo('good.test', port, 5))
    test.match(problem, 'good.test:')
  end
  for _, entry in ipairs { { 'a..b', 'empty label' }, { ('x'):rep(64), '63 bytes' },
    { 'a\0b', 'zero byte' },    { '', 'empty label' }, { 'a b', 'character' } } do
    test.match(test.fails('EIO', dns.query(entry[1], 'A', 5)), entry[2])
  end
  test.equal(server.total, 0)
  test.equal(hosts(table.concat({ label, label, label, ('x'):rep(61) }, '.')), { '192.0.2.7' })
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

os.remove(folder .. '.resolv')
test.finish()

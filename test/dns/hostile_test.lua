-- hostile_test.lua: what the resolver makes of answers that are wrong, and of names that cannot be.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local responder = require 'responder'
local dns = require 'coir.dns'
local fiber = require 'fiber'
local message = require 'message'
local socket = require 'socket'
local test = require 'test'

local case, configure, hosts = responder.case, responder.configure, responder.hosts
local good = responder.addresses(60, '192.0.2.7')

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
  test.fails('ETIMEDOUT', test.takes(0.1, 5, hosts, 'mute.test', 0.1))
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

responder.finish()

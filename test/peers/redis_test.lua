-- redis_test.lua: a Redis server, spoken to in its own protocol.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local peer = require 'peer'
local fiber = require 'fiber'
local test = require 'test'

peer.need('redis-server')

-- -- The protocol ---------------------------------------------------------------------------------------

local function ask(s, ...)
  local words = { ... }
  local parts = { ('*%d\r\n'):format(#words) }
  for _, word in ipairs(words) do parts[#parts + 1] = ('$%d\r\n%s\r\n'):format(#word, word) end
  assert(s:write(table.concat(parts), 10))
end

local function answer(s)
  local line = assert(s:read('\r\n', 10))
  local kind, rest = line:sub(1, 1), line:sub(2, -3)
  if kind == '+' then return rest end
  if kind == '-' then error('Redis says ' .. rest, 0) end
  local n = assert(math.tointeger(tonumber(rest)), 'no answer of Redis: ' .. line)
  if kind == ':' then return n end
  if n < 0 then return nil end
  if kind == '$' then return assert(s:read(n + 2, 10)):sub(1, -3) end
  local list = {}
  for i = 1, n do list[i] = answer(s) end
  return list
end

local function call(s, ...)
  ask(s, ...)
  return answer(s)
end

-- -- Cases ------------------------------------------------------------------------------------------------

local folder, port = peer.folder(), peer.free_port()
local server = peer.start(("redis-server --port %d --bind 127.0.0.1 --save '' --appendonly no --dir %s")
  :format(port, folder), folder .. '/log')

test.case('Redis starts and answers', function()
  peer.await(port)
  local s <close> = peer.connect(port)
  test.equal(call(s, 'PING'), 'PONG')
end)

test.case('50 fibers set and get at once, each its own value', function()
  peer.all(50, function(i)
    local s <close> = peer.connect(port)
    for round = 1, 20 do
      local value = ('%d of %d\r\n\0'):format(round, i):rep(round)
      test.equal(call(s, 'SET', 'key' .. i, value), 'OK')
      test.equal(call(s, 'GET', 'key' .. i), value)
    end
  end)
end)

test.case('a value of 1 MiB comes back whole', function()
  local s <close> = peer.connect(port)
  local value = ('0123456789abcdef'):rep(1 << 16)
  test.equal(call(s, 'SET', 'large', value), 'OK')
  test.ok(call(s, 'GET', 'large') == value)
end)

test.case('a thousand commands are sent before the first answer is read', function()
  local s <close> = peer.connect(port)
  for i = 1, 1000 do ask(s, 'RPUSH', 'numbers', tostring(i)) end
  for i = 1, 1000 do test.equal(answer(s), i) end
  test.equal(#call(s, 'LRANGE', 'numbers', '0', '-1'), 1000)
end)

test.case('a fiber that waits in BLPOP is released by another, and holds nobody up', function()
  local waiter = fiber.spawn(function()
    local s <close> = peer.connect(port)
    return call(s, 'BLPOP', 'queue', '10')
  end)
  local s <close> = peer.connect(port)
  test.eventually(function() return call(s, 'INFO', 'clients'):find('blocked_clients:1') end)
  test.equal(waiter:status(), 'suspended')
  test.equal(call(s, 'RPUSH', 'queue', 'released'), 1)
  test.equal({ waiter:join() }, { true, { 'queue', 'released' } })
end)

test.case('a read that times out leaves the answer for the next', function()
  local s <close> = peer.connect(port)
  ask(s, 'BLPOP', 'later', '10')
  test.fails('ETIMEDOUT', s:read('\r\n', 0.01))
  local other <close> = peer.connect(port)
  test.equal(call(other, 'RPUSH', 'later', 'came'), 1)
  test.equal(answer(s), { 'later', 'came' })
end)

test.case('an error of Redis arrives, and the connection goes on', function()
  local s <close> = peer.connect(port)
  test.raises('unknown command', call, s, 'NONSENSE')
  test.equal(call(s, 'PING'), 'PONG')
end)

test.case('SHUTDOWN ends the connections of all', function()
  local s, other = peer.connect(port), peer.connect(port)
  ask(s, 'SHUTDOWN', 'NOSAVE')
  test.equal(other:read(1, 10), '')
  server:wait()
end)

server:stop()
peer.remove_folder(folder)
test.finish()

-- luasocket_redis_test.lua: redis-lua, which is written for LuaSocket, on coir's sockets and a
-- Redis server.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local peer = require 'peer'
local test = require 'test'
local fiber = require 'fiber'

peer.need('redis-server')
package.path = package.path .. ';/usr/share/lua/5.3/?.lua' -- where Debian puts it
local found, redis = pcall(require, 'redis')
if not found then
  test.case('redis-lua is installed', function() error(redis, 0) end)
  test.finish()
end

-- Since Lua 5.3 a pipeline of redis-lua fails with commands that have nothing to convert their
-- replies.
for _, name in ipairs { 'set', 'get', 'rpush', 'lrange' } do
  redis.commands[name] = redis.command(name:upper(),
    { response = function(reply) return reply end })
end

local folder, port = peer.folder(), peer.free_port()
local server = peer.start(
  ("redis-server --port %d --bind 127.0.0.1 --unixsocket '%s/socket' --save '' --appendonly no --dir '%s'"):format(
    port, folder, folder), folder .. '/log')

local function client() return redis.connect('127.0.0.1', port) end

test.case('Redis starts and answers', function()
  peer.await(port)
  test.equal(client():ping(), true)
end)

test.case('SET and GET in 50 fibers, each its own value', function()
  peer.all(50, function(i)
    local c = client()
    for round = 1, 20 do
      local value = ('%d of %d\r\n\0'):format(round, i):rep(round)
      test.equal(c:set('key' .. i, value), true)
      test.equal(c:get('key' .. i), value)
    end
    c:quit()
  end)
end)

test.case('a pipeline of 1,000 commands', function()
  local replies = client():pipeline(function(p)
    for i = 1, 1000 do p:rpush('list', i) end
    p:lrange('list', 0, -1)
  end)
  test.equal({ #replies, replies[1000], #replies[1001], replies[1001][777] },
    { 1001, 1000, 1000, '777' })
end)

test.case('pipelines in 20 fibers', function()
  peer.all(20, function(i)
    local replies = client():pipeline(function(p)
      for round = 1, 50 do
        p:set('pipe' .. i, round)
        p:get('pipe' .. i)
      end
    end)
    test.equal({ #replies, replies[100] }, { 100, '50' })
  end)
end)

test.case('a transaction', function()
  local replies = client():transaction(function(t)
    t:set('a', 1)
    t:incrby('a', 41)
  end)
  test.equal(replies[2], 42)
end)

test.case('BLPOP in 50 fibers, which another one releases', function()
  local waiting = {}
  for i = 1, 50 do
    waiting[i] = fiber.spawn(function()
      local c = client()
      return c:blpop('queue', 20)[2]
    end)
  end
  local other = client()
  test.eventually(function() return other:info('clients').clients.blocked_clients == '50' end)
  for i = 1, 50 do other:rpush('queue', 'job ' .. i) end
  local got = {}
  for i = 1, 50 do
    local ok, job = waiting[i]:join(10)
    test.ok(ok, job)
    got[job] = true
  end
  for i = 1, 50 do test.ok(got['job ' .. i]) end
end)

test.case('publish and subscribe', function()
  local heard = fiber.spawn(function()
    local c, messages = client(), {}
    for message, abort in c:pubsub { subscribe = { 'news' } } do
      if message.kind == 'message' then
        messages[#messages + 1] = message.payload
        if message.payload == 'last' then abort() end
      end
    end
    return messages
  end)
  local other = client()
  test.eventually(function() return other:publish('news', 'first') == 1 end)
  other:publish('news', 'last')
  local ok, messages = heard:join(10)
  test.equal({ ok, messages }, { true, { 'first', 'last' } })
end)

test.case('through a Unix socket', function()
  local c = redis.connect('unix://' .. folder .. '/socket')
  test.equal({ c:set('unix', 'yes'), c:get('unix') }, { true, 'yes' })
  c:quit()
end)

test.case('an error of Redis is raised, and the connection goes on', function()
  local c = client()
  c:set('text', 'x')
  test.raises('not an integer', function() c:incr('text') end)
  test.equal(c:ping(), true)
end)

test.case('a Redis that goes away', function()
  local c = client()
  server:stop()
  test.raises('connection error', function() c:ping() end)
  test.raises('could not connect', client)
end)

peer.remove_folder(folder)
test.finish()

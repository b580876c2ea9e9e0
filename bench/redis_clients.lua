-- redis_clients.lua: 50 clients of redis-lua set and get a value, 200 times each, on one connection
-- each.
--
-- bench/run_clients compares the ways to do so.

package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local clients = require 'clients'
local redis = require 'redis'

clients.run(400, function()
  local s = clients.tcp()
  assert(s:connect('127.0.0.1', clients.port))
  s:setoption('tcp-nodelay', true)
  local client = redis.connect { socket = s }
  for i = 1, 200 do
    client:set('key', i)
    assert(client:get('key'))
  end
  client:quit()
end)

-- line.lua: answers every line with itself, with copas on LuaSocket. It prints `port N`.

local copas = require 'copas'
local socket = require 'socket'

local function serve(client)
  client:setoption('tcp-nodelay', true)
  while true do
    local line = copas.receive(client, '*l')
    if not line or not copas.send(client, line .. '\n') then return end
  end
end

local server = assert(socket.bind('127.0.0.1', 0, 1024))
print('port ' .. select(2, server:getsockname()))
io.stdout:flush()

copas.addserver(server, serve)
copas.loop()

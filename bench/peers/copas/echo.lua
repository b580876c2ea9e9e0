-- echo.lua: sends back what arrives, with copas on LuaSocket. It prints `port N`.

local copas = require 'copas'
local socket = require 'socket'

local function serve(client)
  client:setoption('tcp-nodelay', true)
  while true do
    local data, problem, part = copas.receivePartial(client, 8192)
    data = data or part
    if not data or data == '' then return end
    if problem == 'closed' or not copas.send(client, data) then return end
  end
end

local server = assert(socket.bind('127.0.0.1', 0, 1024))
print('port ' .. select(2, server:getsockname()))
io.stdout:flush()

copas.addserver(server, serve)
copas.loop()

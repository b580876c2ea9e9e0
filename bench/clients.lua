-- clients.lua: runs the same blocking client code in three ways, for http_clients.lua and
-- redis_clients.lua.
--
--     lua5.4 SCRIPT serial PORT     one after the other, as LuaSocket does it
--     lua5.4 SCRIPT copas PORT      50 threads of Copas
--     coir SCRIPT fibers PORT       50 fibers
--
-- Prints `requests SECONDS CPU_SECONDS`.

package.path = package.path .. ';/usr/share/lua/5.2/?.lua;/usr/share/lua/5.3/?.lua' -- Debian's places

local clients = { how = arg[1], port = tonumber(arg[2]), count = 50 }
assert(clients.port, 'usage: SCRIPT serial|copas|fibers PORT')

local copas = clients.how == 'copas' and require 'copas'
local socket = require 'socket'

--- A TCP object that waits in the way that was asked for.
function clients.tcp()
  local s = socket.tcp()
  if not copas then return s end
  local wrapped = copas.wrap(s)
  return setmetatable({
    connect = function(_, host, port) return copas.connect(s, host, port) end,
    receive = function(_, ...) return copas.receive(s, ...) end,
    send = function(_, ...) return copas.send(s, ...) end,
    settimeout = function() return 1 end,
    setoption = function(_, ...) return s:setoption(...) end,
    shutdown = function(_, ...) return s:shutdown(...) end,
    close = function() return s:close() end,
  }, { __index = wrapped })
end

local ways = {}

function ways.serial(work)
  for _ = 1, clients.count do work() end
end

function ways.copas(work)
  local left = clients.count
  for _ = 1, clients.count do
    copas.addthread(function()
      work()
      left = left - 1
    end)
  end
  while left > 0 do copas.step() end
end

function ways.fibers(work)
  local fiber = require 'fiber'
  local fibers = {}
  for i = 1, clients.count do fibers[i] = fiber.spawn(work) end
  for i = 1, clients.count do assert(fibers[i]:join()) end
end

--- Does `work`, which makes `requests` requests, for each of the clients.
function clients.run(requests, work)
  local began, cpu = socket.gettime(), os.clock()
  ways[clients.how](work)
  print(clients.count * requests, socket.gettime() - began, os.clock() - cpu)
end

return clients

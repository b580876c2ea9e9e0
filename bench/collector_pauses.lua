-- collector_pauses.lua: how long does Lua's collector keep a server of COUNT connections from
-- everything else at once? Prints the longest and the median step in ms, of 50 collections.
--
-- Usage: coir collector_pauses.lua incremental|generational [COUNT]; 9,000 unless told.

local fiber = require 'fiber'
local socket = require 'socket'

local mode, count = arg[1], math.tointeger(tonumber(arg[2] or 9000))
if not (mode == 'incremental' or mode == 'generational') or not count or count < 1 then
  io.stderr:write('usage: coir collector_pauses.lua incremental|generational [COUNT]\n')
  os.exit(2)
end

local server = assert(socket.tcp_server('127.0.0.1', 0, function(s)
  repeat
    local data = s:read_any()
  until not data or data == '' or not s:write(data)
end))
local port = server:name().port

local clients = {}
for i = 1, count do clients[i] = assert(socket.tcp_connect('127.0.0.1', port)) end

--- One request on every connection: what a server leaves to be collected.
local function ask_all()
  for _, s in ipairs(clients) do assert(s:write('x')) end
  for _, s in ipairs(clients) do assert(s:read_any()) end
end

collectgarbage(mode)
ask_all()
collectgarbage()
local pauses = {}
for _ = 1, 50 do
  collectgarbage('stop')
  ask_all()
  collectgarbage('restart')
  repeat
    local began = fiber.clock()
    local complete = collectgarbage('step', 0)
    pauses[#pauses + 1] = (fiber.clock() - began) * 1e3
  until complete or mode == 'generational' -- there a step is a whole young collection
end
table.sort(pauses)
print(('%.3f %.3f'):format(pauses[#pauses], pauses[#pauses // 2]))
os.exit(0)

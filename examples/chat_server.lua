-- chat_server.lua: a chat room. What one says, all others read.
--
--     coir examples/chat_server.lua [HOST [PORT]]
--
-- HOST is a name or an address, 127.0.0.1 if none is given; PORT is 7001, and 0 lets the system choose.
-- Prints `listening on HOST:PORT`. Join with `telnet` or `nc`; `/who` lists the room, `/quit` leaves it.
--
-- Each guest has two fibers: one reads lines, the other writes what is put into the guest's outbox. So a
-- guest who does not read delays nobody.
local fiber = require 'fiber'
local socket = require 'socket'

local host, port = arg[1] or '127.0.0.1', arg[2] or 7001
local idle = 600          -- seconds after which a silent guest has to leave
local patience = 10       -- seconds that a guest may take to read a line
local longest_line = 1000 -- bytes
local outbox_size = 100   -- lines that may wait for a guest

io.stdout:setvbuf('line')

local room = {} -- [name] = guest

--- A guest whose outbox is full does not read, and misses the line.
local function tell(guest, text)
  if not guest.outbox:is_full() then guest.outbox:put(text .. '\n') end
end

local function tell_others(guest, text)
  for _, other in pairs(room) do
    if other ~= guest then tell(other, text) end
  end
end

local function names()
  local list = {}
  for name in pairs(room) do list[#list + 1] = name end
  table.sort(list)
  return table.concat(list, ', ')
end

--- The second fiber of a guest. A guest who cannot be written to is shut down, which ends the first.
local function deliver(guest)
  for text in function() return guest.outbox:get() end do
    if not guest.socket:write(text, patience) then
      guest.socket:shutdown()
      return
    end
  end
end

--- The next line without its end; nil when the guest is gone, says nothing, or never ends a line.
local function next_line(client)
  local line = client:readline('\n', idle)
  if line and line:find('\n', 1, true) then return (line:gsub('\r?\n$', '')) end
end

local function ask_name(client)
  client:write('Your name? ')
  for name in function() return next_line(client) end do
    if not name:find('^[%w_-]+$') or #name > 20 then
      client:write('Letters, digits, _ and -, at most 20. Your name? ')
    elseif room[name] then
      client:write('Somebody has that name. Your name? ')
    else
      return name
    end
  end
end

local function converse(guest)
  for line in function() return next_line(guest.socket) end do
    if line == '/quit' then return end
    if line == '/who' then
      tell(guest, 'here: ' .. names())
    elseif line ~= '' then
      tell_others(guest, guest.name .. ': ' .. line)
    end
  end
end

local function serve(client)
  client:setmaxline(longest_line)
  local name = ask_name(client)
  if not name then return end
  local guest = { name = name, socket = client, outbox = fiber.channel(outbox_size) }
  room[name] = guest
  local writer = fiber.spawn(deliver, guest)
  tell(guest, 'here: ' .. names())
  tell_others(guest, name .. ' joins')
  converse(guest)
  room[name] = nil
  tell_others(guest, name .. ' leaves')
  guest.outbox:close() -- what is in it still goes out
  writer:join()
end

local server = assert(socket.tcp_server(host, port, serve))
print(('listening on %s:%d'):format(server:name().host, server:name().port))

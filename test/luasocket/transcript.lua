--- transcript.lua: prints what the scripts of this folder see, one line `label: values` a check.
---
--- The same script prints the same under lua5.4 with LuaSocket and under coir. Values are shown as
--- exactly as can be: numbers with their subtype, and how many results a call had. Labels are
--- unique in a script, for `compare` pairs the lines by them.
local transcript = {}

io.stdout:setvbuf('line') -- a script that hangs has still said everything before

local function show(value)
  if type(value) == 'string' then
    if #value > 200 then return ('a string of %d bytes'):format(#value) end
    return (('%q'):format(value):gsub('\n', 'n'):gsub('\r', '\\r'))
  elseif type(value) == 'table' or type(value) == 'userdata' then
    return tostring(value):match('^(%w+{%w+}): 0x%x+$') or 'an object'
  end
  return tostring(value)
end

local seen = {}

local function say(label, text)
  if seen[label] then error(('the label %q is used twice'):format(label), 3) end
  seen[label] = true
  print(('%s: %s'):format(label, text))
end

--- Prints the values.
function transcript.check(label, ...)
  local shown = table.pack(...)
  for i = 1, shown.n do shown[i] = show(shown[i]) end
  say(label, shown.n > 0 and table.concat(shown, ', ') or 'nothing')
end

--- Prints what the function raises.
function transcript.raises(label, f)
  local ok, problem = pcall(f)
  say(label, ok and 'did not raise' or 'raised '
    .. tostring(problem):gsub('^.-%.lua:(%d+): ', 'in line %1: '))
end

--- Runs a group of checks. When it raises, the transcript says so and goes on with the next group.
function transcript.case(title, f)
  local ok, problem = pcall(f)
  if not ok then say(('the group %q'):format(title), 'raised ' .. tostring(problem)) end
end

--- A server on a port of its own, and the port.
function transcript.server()
  local socket = require 'socket'
  local server = assert(socket.bind('127.0.0.1', 0))
  server:settimeout(5)
  return server, (select(2, server:getsockname()))
end

--- Two ends of a TCP connection.
function transcript.pair()
  local server, port = transcript.server()
  local client = assert(require('socket').connect('127.0.0.1', port))
  local accepted = assert(server:accept())
  server:close()
  client:settimeout(5)
  accepted:settimeout(5)
  return client, accepted
end

--- Waits until the other end's bytes have come.
function transcript.await(s)
  local readable = require('socket').select({ s }, nil, 5)
  assert(readable[1] == s, 'nothing comes')
end

return transcript

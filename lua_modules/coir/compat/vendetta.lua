--- coir.compat.vendetta: runs scripts that were written for Vendetta Online's sockets.
---
--- The class TCPSocket, and the layers over it: `tcpsock` (lines), `client` and `server` (remote calls, which need
--- dkjson), `dbclient` and `dbserver` (databases, which need LuaSQL, too). `coir -l coir.compat.vendetta script.lua`
--- sets the globals that such scripts use. See doc/compat/vendetta.md.
local base = require 'coir.compat.base'

local vendetta = base.export_loggers {
  TCPSocket = require 'coir.compat.vendetta.tcp_socket',
  Timer = require 'coir.compat.vendetta.timer',
  tcpsock = require 'coir.compat.vendetta.tcpsock',
}

--- The game's log.
vendetta.log = { error = base.log.ERROR, warn = base.log.WARN, info = base.log.INFO, debug = base.log.DEBUG }

--- Writes a line to standard output, which is the console here.
function vendetta.console_print(text)
  io.stdout:write(base.show(text), '\n')
end

--- JSON, as the game's library names it: `encode(value)` and `decode(text)`, which raise.
vendetta.json = {
  encode = function(value) return (require 'coir.compat.vendetta.wire').encode(value) end,
  decode = function(text)
    local wire = require 'coir.compat.vendetta.wire'
    local value = wire.decode(text)
    if value == nil then error('this is no JSON', 2) end
    return wire.clean(value)
  end,
}

local layers = { client = true, server = true, dbclient = true, dbserver = true }

--- The layers that need more than coir are loaded when they are first asked for.
setmetatable(vendetta, {
  __index = function(self, name)
    if not layers[name] then return nil end
    self[name] = require('coir.compat.vendetta.' .. name)
    return self[name]
  end,
})

--- Sets the names that a script expects. `coir -l` calls it.
--- @param env? table the script's globals, `_G` without it
function vendetta.install(env)
  env = env or _G
  require('coir.compat.lua51').install(env)
  env.TCPSocket, env.TCP, env.Timer = vendetta.TCPSocket, vendetta.tcpsock, vendetta.Timer
  env.log, env.console_print, env.json = vendetta.log, vendetta.console_print, vendetta.json
end

return vendetta

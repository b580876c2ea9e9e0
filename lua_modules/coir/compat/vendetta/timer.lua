--- coir.compat.vendetta.timer: Vendetta's class Timer.
local base = require 'coir.compat.base'
local fiber = require 'coir.fiber'

local Timer = {}
Timer.__index = Timer
Timer.__name = 'Timer'

local function run(self, seconds)
  fiber.sleep(seconds)
  if self.fiber ~= fiber.self() then return end -- killed at the last moment
  self.fiber = nil
  self.handler(self)
end

--- Calls the function once, later; what was set before is given up.
--- @param milliseconds number
--- @param handler? function without it, the one of the last time
function Timer:SetTimeout(milliseconds, handler)
  self:Kill()
  self.handler = handler or self.handler
  if not self.handler then error('SetTimeout: there is no function to call', 2) end
  self.fiber = assert(base.spawn('timer', run, self, milliseconds / 1000))
end

--- Gives up what was set. May be repeated.
function Timer:Kill()
  local waiting = self.fiber
  self.fiber = nil
  if waiting then waiting:cancel() end
end

--- @return boolean active whether the function is still to be called
function Timer:IsActive() return self.fiber ~= nil end

return function() return setmetatable({}, Timer) end

from carapax.commandline.line import LONGEST, Command, CommandLine, Kind, parse
from carapax.commandline.patterns import Meant, Pattern
from carapax.commandline.words import Open, Word

__all__ = ["LONGEST", "Command", "CommandLine", "Kind", "Meant", "Open", "Pattern", "Word", "parse"]

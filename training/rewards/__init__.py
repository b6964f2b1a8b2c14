"""What reinforcement learning pays for: appendix C.3 of the paper, one family of equations a file.

Where the paper is silent the choice is ours, and its docstring says so. `python -m training.rewards --picture FILE`
draws every component on one example.
"""

from .instances import Masked, Proposal, Said, SeedMasks, Truth, read, said_of, unmasked
from .proposing import PROPOSING, Reward, proposal_reward
from .refining import REFINING, Coarse, refinement_reward

__all__ = ["PROPOSING", "REFINING", "Coarse", "Masked", "Proposal", "Reward", "Said", "SeedMasks", "Truth",
           "proposal_reward", "read", "refinement_reward", "said_of", "unmasked"]  # fmt: skip

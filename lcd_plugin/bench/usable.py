"""Which methods and encoders of a suite can be used; a plugin that cannot costs only its own."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from lcd_plugin.bench.planned import PlannedMethod
from lcd_plugin.bench.suite import Suite, explain
from lcd_plugin.encoders import create_encoder, network_settings
from lcd_plugin.errors import ConfigError, PluginError
from lcd_plugin.methods.base import Method, MethodConfig
from lcd_plugin.plugins import ENCODERS, METHODS
from lcd_plugin.views.leads import check_pattern

# Reasons by title, such as `method lcd`.
Unavailable = dict[str, str]


def usable_methods(suite: Suite) -> tuple[dict[str, PlannedMethod], Unavailable]:
    """Methods by name, with their settings, and why the others cannot be used.

    Raises:
        ConfigError: a setting is impossible.
        PluginError: none can be used.
    """
    METHODS.probe(suite.methods)
    methods: dict[str, PlannedMethod] = {}
    unavailable: Unavailable = {}
    for name in suite.methods:
        try:
            spec, method_class = METHODS.spec(name), _method_class(name)
        except PluginError as error:
            unavailable[f"method {name}"] = str(error)
            continue
        try:
            config = method_class.config_class.model_validate(suite.settings.get(name, {}))
        except ValidationError as error:
            raise ConfigError(explain(error, method_class.config_class, f"{name}.")) from error
        methods[name] = PlannedMethod(spec, config, method_class)
    if not methods:
        raise PluginError(" ".join(unavailable.values()))
    return methods, unavailable


def _method_class(name: str) -> type[Method]:
    found: Any = METHODS.load(name)
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise PluginError(f"The method '{name}' is no lcd_plugin.methods.base.Method.")
    settings: Any = getattr(found, "config_class", None)
    if not (isinstance(settings, type) and issubclass(settings, MethodConfig)):
        raise PluginError(
            f"The method '{name}' has {settings!r} as its config_class; it takes a subclass of "
            f"lcd_plugin.methods.base.MethodConfig."
        )
    try:
        check_pattern(getattr(found, "views", None) or "")
    except (TypeError, ValueError) as error:
        raise PluginError(f"The method '{name}' asks for no views. {error}") from error
    return found


def usable_encoders(suite: Suite) -> tuple[tuple[str, ...], Unavailable]:
    """Encoders as the suite names them, and why the others cannot be used.

    Raises:
        ConfigError: a built-in encoder does not take its settings.
        PluginError: none can be used.
    """
    ENCODERS.probe(suite.encoder(text).name for text in suite.encoders)
    usable: list[str] = []
    unavailable: Unavailable = {}
    for text in suite.encoders:
        choice = suite.encoder(text)
        settings = network_settings(choice.name, choice.settings, len(suite.data.leads))
        try:
            create_encoder(choice.name, **settings)
        except (PluginError, ConfigError) as error:
            # What is ours is sound, so that the setting is wrong.
            if isinstance(error, ConfigError) and ENCODERS.origin(choice.name).own:
                raise
            unavailable[f"encoder {text}"] = str(error)
        else:
            usable.append(text)
    if not usable:
        raise PluginError(" ".join(unavailable.values()))
    return tuple(usable), unavailable
